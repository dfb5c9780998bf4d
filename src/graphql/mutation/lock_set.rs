//! The accounts that a mutation locks, by the names in its input.

use crate::ledger::{AccountRef, BalanceCondition, ExpectedVersion, LockSet, NewLine};

/// The accounts that an entry of these lines locks.
pub(super) fn locks_of(
    lines: &[NewLine],
    expect: &[ExpectedVersion],
    conditions: &[BalanceCondition],
) -> LockSet {
    let named = lines.iter().flat_map(|line| [&line.debit, &line.credit]);
    let mut accounts: Vec<_> = named.cloned().collect();
    accounts.extend(looked_at(expect, conditions));
    LockSet {
        accounts,
        entries: Vec::new(),
    }
}

/// The accounts whose versions are expected, and those of the conditions.
pub(super) fn looked_at(
    expect: &[ExpectedVersion],
    conditions: &[BalanceCondition],
) -> Vec<AccountRef> {
    let expected = expect.iter().map(|it| &it.account);
    let accounts = expected.chain(conditions.iter().map(|it| &it.account));
    accounts.cloned().collect()
}
