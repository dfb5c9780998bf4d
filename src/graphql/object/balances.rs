//! What is on an account.

use async_graphql::Object;
use daybook_entity::account;

use super::Money;
use crate::{graphql::scalars::Int64, ledger};

/// The balances of an account, positive on its normal side.
pub struct Balances(pub(super) account::Model);

impl Balances {
    fn money(&self, minor_units: i64) -> Money {
        Money {
            minor_units,
            currency: self.0.currency.clone(),
        }
    }
}

/// The balances of an account, positive on its normal side.
#[Object]
impl Balances {
    /// What all entries have moved.
    async fn posted(&self) -> Money {
        self.money(ledger::posted_balance(&self.0))
    }

    /// What holds would still move.
    async fn pending(&self) -> Money {
        self.money(ledger::pending_balance(&self.0))
    }

    /// What is there and not held: the posted balance, less the pending amounts that would lower it.
    async fn available(&self) -> Money {
        self.money(ledger::available_balance(&self.0))
    }

    /// How many lines have touched the account. Give it back in `expect` to refuse an entry if anything came between.
    async fn version(&self) -> Int64 {
        Int64(self.0.version)
    }
}
