//! What is on an account.

use async_graphql::Object;
use daybook_entity::account;

use super::Money;
use crate::{
    graphql::scalars::Int64,
    ledger::{self, BalancesAt},
};

/// The balances of an account, positive on its normal side.
pub struct Balances {
    currency: String,
    posted: i64,
    pending: i64,
    available: i64,
    version: i64,
}

impl Balances {
    /// The balances of all that is posted.
    pub(super) fn of_all_entries(account: &account::Model) -> Self {
        Self {
            currency: account.currency.clone(),
            posted: ledger::posted_balance(account),
            pending: ledger::pending_balance(account),
            available: ledger::available_balance(account),
            version: account.version,
        }
    }

    /// The balances at an earlier point.
    pub(super) fn then(account: &account::Model, balances: &BalancesAt) -> Self {
        Self {
            currency: account.currency.clone(),
            posted: balances.posted,
            pending: balances.pending(account.normal_side),
            available: balances.available(account.normal_side),
            version: balances.version,
        }
    }

    fn money(&self, minor_units: i64) -> Money {
        Money {
            minor_units,
            currency: self.currency.clone(),
        }
    }
}

/// The balances of an account, positive on its normal side.
#[Object]
impl Balances {
    /// What all entries have moved.
    async fn posted(&self) -> Money {
        self.money(self.posted)
    }

    /// What holds would still move.
    async fn pending(&self) -> Money {
        self.money(self.pending)
    }

    /// What is there and not held: the posted balance, less the pending amounts that would lower it.
    async fn available(&self) -> Money {
        self.money(self.available)
    }

    /// How many lines make this up: all that have touched the account, unless an earlier point was asked for. Give it back in `expect`
    /// to refuse an entry if anything came between.
    async fn version(&self) -> Int64 {
        Int64(self.version)
    }
}
