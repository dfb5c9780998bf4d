//! A currency.

use async_graphql::Object;
use daybook_entity::currency;

use crate::graphql::scalars::{CurrencyCode, DateTime};

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

    /// What people write for it, if somebody said so.
    async fn symbol(&self) -> Option<&str> {
        self.0.symbol.as_deref()
    }

    /// When it was created; null if it is of ISO 4217, or was there before the ledger kept it.
    async fn recorded_at(&self) -> Option<DateTime> {
        self.0.recorded_at.map(DateTime)
    }

    /// Who created it: the `sub` of the token. Null without authentication, for an import, and where `recordedAt` is.
    async fn recorded_by(&self) -> Option<&str> {
        self.0.recorded_by.as_deref()
    }
}
