//! A sum of amounts.

use async_graphql::{Context, Object, Result};

use crate::{
    graphql::{
        loaders::{self, Currencies},
        scalars::CurrencyCode,
    },
    ledger,
};

/// A sum of amounts of one currency. It can be larger than an amount can.
#[derive(Clone, Debug)]
pub struct MoneyTotal {
    pub(in crate::graphql) minor_units: i128,
    pub(in crate::graphql) currency: String,
}

/// A sum of amounts of one currency. It can be larger than an amount can.
#[Object]
impl MoneyTotal {
    /// Minor units of the currency, as a whole number of any length.
    async fn amount(&self) -> String {
        self.minor_units.to_string()
    }

    /// The currency that the sum is counted in.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.currency.clone())
    }

    /// For people: `12.34`.
    async fn decimal(&self, ctx: &Context<'_>) -> Result<String> {
        let currency = loaders::load::<Currencies, _>(ctx, self.currency.clone()).await?;
        // The database holds every currency that an account names.
        let exponent = currency.map_or(0, |currency| currency.exponent);
        Ok(ledger::sum_decimal(self.minor_units, exponent))
    }
}
