//! An amount of money.

use async_graphql::{Context, Object, Result};
use daybook_entity::account;

use crate::{
    graphql::{
        loaders::{self, Currencies},
        scalars::{CurrencyCode, Int64},
    },
    ledger,
};

/// An amount of one currency.
#[derive(Clone, Debug)]
pub struct Money {
    pub(super) minor_units: i64,
    pub(super) currency: String,
}

impl Money {
    /// An amount in the currency of an account.
    pub(super) fn of(account: &account::Model, minor_units: i64) -> Self {
        Self {
            minor_units,
            currency: account.currency.clone(),
        }
    }
}

/// An amount of one currency.
#[Object]
impl Money {
    /// Minor units of the currency: cents of a euro, fils of a dinar.
    async fn amount(&self) -> Int64 {
        Int64(self.minor_units)
    }

    /// The currency that the amount is counted in.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.currency.clone())
    }

    /// For people: `12.34`.
    async fn decimal(&self, ctx: &Context<'_>) -> Result<String> {
        let currency = loaders::load::<Currencies, _>(ctx, self.currency.clone()).await?;
        // The database holds every currency that an account or a line names.
        let exponent = currency.map_or(0, |currency| currency.exponent);
        Ok(ledger::decimal(self.minor_units, exponent))
    }
}
