//! Conditions on balances: what must be true of accounts, of the entry or others, for an entry to be posted.
//!
//! The accounts are locked with those of the entry, in the one order of all. So a condition is about the instant at which the entry is posted,
//! and nothing changes it until the transaction ends. It is about balances as they are before the entry; of several entries in one transaction,
//! as those before it leave them.

use crate::ledger::{AccountRef, InvalidInput, available_balance, posted_balance};
use daybook_entity::account;
use std::fmt;
use uuid::Uuid;

/// Which balance of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BalanceKind {
    /// [`posted_balance`].
    Posted,
    /// [`available_balance`].
    Available,
}

impl fmt::Display for BalanceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Posted => "posted",
            Self::Available => "available",
        })
    }
}

/// A condition on the balance of an account: `at_least` or `at_most`, or both, or `equals` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceCondition {
    /// The account, of the entry or another one.
    pub account: AccountRef,
    /// Which of its balances.
    pub balance: BalanceKind,
    /// The least that it may be, in minor units.
    pub at_least: Option<i64>,
    /// The most that it may be, in minor units.
    pub at_most: Option<i64>,
    /// What it has to be, in minor units.
    pub equals: Option<i64>,
}

impl BalanceCondition {
    /// What is wrong with it by itself; `place` is that in the entry's conditions.
    pub(super) fn check(&self, place: usize) -> Result<(), InvalidInput> {
        let refuse = |problem: &str| Err(InvalidInput::new(field(place), problem));
        match (self.at_least, self.at_most, self.equals) {
            (None, None, None) => refuse("asks for nothing: give `atLeast`, `atMost` or `equals`"),
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                refuse("has `equals` beside `atLeast` or `atMost`: give it alone")
            }
            (Some(least), Some(most), None) if least > most => {
                refuse("is never true: `atLeast` is more than `atMost`")
            }
            _ => Ok(()),
        }
    }

    /// The condition on an account that is known. What was refused by [`Self::check`] does not come here.
    pub(super) fn resolved(&self, place: usize) -> ResolvedCondition {
        ResolvedCondition {
            place,
            balance: self.balance,
            at_least: self.equals.or(self.at_least),
            at_most: self.equals.or(self.at_most),
        }
    }
}

/// A condition that is not true, with the figures. All amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the account `{account_code}` has {actual} minor units of {currency} {balance}, and the condition is {}: read it again, and decide anew",
    bounds(*at_least, *at_most)
)]
pub struct UnmetCondition {
    /// Where in the input.
    pub field: String,
    /// The account's id.
    pub account_id: Uuid,
    /// The account's code.
    pub account_code: String,
    /// The account's currency.
    pub currency: String,
    /// Which of its balances.
    pub balance: BalanceKind,
    /// The least that it may be.
    pub at_least: Option<i64>,
    /// The most that it may be.
    pub at_most: Option<i64>,
    /// What it is.
    pub actual: i64,
}

/// A condition whose account is known.
#[derive(Clone, Debug)]
pub(super) struct ResolvedCondition {
    place: usize,
    balance: BalanceKind,
    at_least: Option<i64>,
    at_most: Option<i64>,
}

impl ResolvedCondition {
    /// Why the account as it is does not fulfil it, if it does not.
    pub(super) fn unmet(&self, account: &account::Model) -> Option<UnmetCondition> {
        let actual = match self.balance {
            BalanceKind::Posted => posted_balance(account),
            BalanceKind::Available => available_balance(account),
        };
        let is_met = self.at_least.is_none_or(|least| least <= actual)
            && self.at_most.is_none_or(|most| actual <= most);
        (!is_met).then(|| UnmetCondition {
            field: field(self.place),
            account_id: account.id,
            account_code: account.code.clone(),
            currency: account.currency.clone(),
            balance: self.balance,
            at_least: self.at_least,
            at_most: self.at_most,
            actual,
        })
    }
}

fn field(place: usize) -> String {
    format!("conditions[{place}]")
}

/// The bounds of a condition in words.
fn bounds(at_least: Option<i64>, at_most: Option<i64>) -> String {
    match (at_least, at_most) {
        (Some(least), Some(most)) if least == most => format!("exactly {least}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "any".to_owned(),
    }
}
