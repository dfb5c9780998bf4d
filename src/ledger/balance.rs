//! What the four totals of an account mean.
//!
//! Totals are not negative, and a posted and a pending total together fit 64 bits (a rule of the table), so none of the
//! differences below can overflow but the available balance of an account without a limit, which saturates.

use daybook_entity::{Side, account};

/// The posted balance in minor units, positive on the account's normal side.
#[must_use]
pub fn posted_balance(account: &account::Model) -> i64 {
    signed(
        account.normal_side,
        account.debits_posted,
        account.credits_posted,
    )
}

/// What holds would change the posted balance by, in minor units.
#[must_use]
pub fn pending_balance(account: &account::Model) -> i64 {
    signed(
        account.normal_side,
        account.debits_pending,
        account.credits_pending,
    )
}

/// What is there and not set aside, in minor units: the posted balance without the pending amounts that would lower it. Pending amounts
/// that would raise it do not count, since they may never come.
#[must_use]
pub fn available_balance(account: &account::Model) -> i64 {
    let lowering = match account.normal_side {
        Side::Debit => account.credits_pending,
        Side::Credit => account.debits_pending,
    };
    posted_balance(account).saturating_sub(lowering)
}

/// A difference of two totals, positive on the normal side.
pub(super) fn signed(normal_side: Side, debits: i64, credits: i64) -> i64 {
    match normal_side {
        Side::Debit => debits.saturating_sub(credits),
        Side::Credit => credits.saturating_sub(debits),
    }
}
