//! Closings of the books.

use async_graphql::{Context, Object, Result};
use daybook_entity::closing;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        connection::{ClosingConnectionName, ClosingEdgeName, ConnectionOf},
        scalars::DateTime,
    },
    ledger,
};

/// A page of closings.
pub type ClosingConnection =
    ConnectionOf<Closing, ClosingTotal, ClosingConnectionName, ClosingEdgeName>;

/// Counts the closings, only if `totalCount` is selected.
pub struct ClosingTotal;

#[Object]
impl ClosingTotal {
    /// How many closings and reopenings there are, over all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ledger::count_closings(ctx.unit()).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// The books were closed until an instant, or reopened.
pub struct Closing(pub(in crate::graphql) closing::Model);

/// The books were closed until an instant, or reopened.
#[Object]
impl Closing {
    /// Of the accounts whose codes begin with this; null for all accounts.
    async fn code_prefix(&self) -> Option<&str> {
        Some(self.0.code_prefix.as_str()).filter(|prefix| !prefix.is_empty())
    }

    /// Since then, nothing was posted that counts from before this instant. Null if all was reopened.
    async fn closed_until(&self) -> Option<DateTime> {
        self.0.closed_until.map(DateTime)
    }

    /// A text for people.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// When the ledger learned of it.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.0.recorded_at)
    }

    /// Who did it: the `sub` of the token. Null without authentication.
    async fn recorded_by(&self) -> Option<&str> {
        self.0.recorded_by.as_deref()
    }
}
