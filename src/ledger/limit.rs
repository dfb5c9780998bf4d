//! The limits of an account's balance.
//!
//! An account can have a least balance and a largest one, in minor units, positive on its normal side. A limit policy is a limit of 0, on a
//! side that the account's normal side does not change: for an account with a credit balance, `NO_DEBIT_OVERDRAFT` is a least balance of 0.
//! Where several limits concern a side, the tightest counts.
//!
//! **Holds count at once, as if they were captured**: what would lower the balance counts against the least one, and what would raise it
//! against the largest one. What may never come does not count in the account's favour. So a capture is never beyond a limit.
//!
//! Each rule here is a CHECK of the table, too.

use super::InvalidInput;
use daybook_entity::{LimitPolicy, Side, account};
use sea_orm::ActiveEnum;

/// A limit of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Its policy.
    Policy(LimitPolicy),
    /// Its least balance, in minor units.
    MinBalance(i64),
    /// Its largest balance, in minor units.
    MaxBalance(i64),
}

/// What the tightest limit of an account still lets be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// The limit.
    pub(super) limit: Limit,
    /// In minor units, holds counted as taken; negative where the account is beyond the limit.
    pub(super) amount: i128,
}

impl Room {
    /// The amount as refusals have it, which clamp it to 64 bits.
    pub(super) fn clamped(&self) -> i64 {
        clamped(self.amount)
    }

    /// By how much the account is beyond the limit, if it is.
    pub(super) fn beyond(&self) -> Option<i64> {
        (self.amount < 0).then(|| clamped(-self.amount))
    }
}

fn clamped(amount: i128) -> i64 {
    let most = if amount < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(amount).unwrap_or(most)
}

/// How far the account can still be moved to this side, by debits or by credits; `None` without a limit there.
pub(super) fn room(account: &account::Model, side: Side) -> Option<Room> {
    let (policy, posted, pending, other) = match side {
        Side::Debit => (
            LimitPolicy::NoDebitOverdraft,
            account.debits_posted,
            account.debits_pending,
            account.credits_posted,
        ),
        Side::Credit => (
            LimitPolicy::NoCreditOverdraft,
            account.credits_posted,
            account.credits_pending,
            account.debits_posted,
        ),
    };
    // By how much the other side is ahead, were all holds captured that are on this one.
    let ahead = i128::from(other) - i128::from(posted) - i128::from(pending);
    let of_policy = (account.limit_policy == policy).then_some(Room {
        limit: Limit::Policy(policy),
        amount: ahead,
    });
    let of_balance = if side == account.normal_side {
        account.max_balance.map(|max| Room {
            limit: Limit::MaxBalance(max),
            amount: ahead + i128::from(max),
        })
    } else {
        account.min_balance.map(|min| Room {
            limit: Limit::MinBalance(min),
            amount: ahead - i128::from(min),
        })
    };
    // Of two that are alike, the policy.
    let limits = of_policy.into_iter().chain(of_balance);
    limits.min_by_key(|room| room.amount)
}

/// Refuses limits that no balance is within, or of which one has no effect because the policy is tighter. What is on the account does not
/// matter here.
pub(super) fn check(account: &account::Model) -> Result<(), InvalidInput> {
    let (min, max) = (account.min_balance, account.max_balance);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let problem = format!("is {max}, and `minBalance` is {min}: no balance is within both");
        return Err(InvalidInput::new("maxBalance", problem));
    }
    // Which limit of 0 the policy is.
    let (at_least, at_most) = match (account.limit_policy, account.normal_side) {
        (LimitPolicy::None, _) => (false, false),
        (LimitPolicy::NoDebitOverdraft, side) => (side == Side::Credit, side == Side::Debit),
        (LimitPolicy::NoCreditOverdraft, side) => (side == Side::Debit, side == Side::Credit),
    };
    let policy = account.limit_policy.to_value();
    if let Some(min) = min.filter(|min| at_least && *min < 0) {
        let problem = format!(
            "is {min}, and with `limitPolicy: {policy}` the balance cannot be below 0: give `limitPolicy: NONE` with it"
        );
        return Err(InvalidInput::new("minBalance", problem));
    }
    if let Some(max) = max.filter(|max| at_most && *max > 0) {
        let problem = format!(
            "is {max}, and with `limitPolicy: {policy}` the balance cannot be above 0: give `limitPolicy: NONE` with it"
        );
        return Err(InvalidInput::new("maxBalance", problem));
    }
    Ok(())
}
