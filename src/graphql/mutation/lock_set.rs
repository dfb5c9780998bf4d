//! The accounts that a mutation locks, by the names in its input.

use crate::ledger::{AccountRef, ExpectedVersion, LockSet, NewLine};

/// The accounts that an entry of these lines locks.
pub(super) fn locks_of(lines: &[NewLine], expect: &[ExpectedVersion]) -> LockSet {
    let named = lines.iter().flat_map(|line| [&line.debit, &line.credit]);
    let mut accounts: Vec<_> = named.cloned().collect();
    accounts.extend(expected(expect));
    LockSet {
        accounts,
        entries: Vec::new(),
    }
}

/// The accounts whose versions are expected.
pub(super) fn expected(expect: &[ExpectedVersion]) -> Vec<AccountRef> {
    expect.iter().map(|it| it.account.clone()).collect()
}
