//! A currency.

use async_graphql::Object;
use daybook_entity::currency;

use crate::graphql::scalars::CurrencyCode;

/// The currency of an account or an amount.
pub struct Currency(pub(in crate::graphql) currency::Model);

/// The currency of an account or an amount.
#[Object]
impl Currency {
    /// ISO 4217's code, or one of your own.
    async fn code(&self) -> CurrencyCode {
        CurrencyCode(self.0.code.clone())
    }

    /// How many decimal places a unit has: 2 for the euro, 0 for the yen.
    async fn exponent(&self) -> i32 {
        self.0.exponent
    }
}
