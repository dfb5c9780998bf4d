//! A change of an entry's metadata.

use async_graphql::{Context, Error, Object, Result};
use daybook_entity::entry_change;

use super::Entry;
use crate::graphql::{
    loaders::{self, Entries},
    scalars::{DateTime, Json},
};

/// Metadata that was added to an entry, or put in the place of other metadata.
pub struct EntryChange(pub(in crate::graphql) entry_change::Model);

/// Metadata that was added to an entry, or put in the place of other metadata.
#[Object]
impl EntryChange {
    /// The entry, as it is now.
    async fn entry(&self, ctx: &Context<'_>) -> Result<Entry> {
        let entry = loaders::load::<Entries, _>(ctx, self.0.entry_id).await?;
        // Cannot happen: a foreign key keeps the entry from being deleted.
        let entry = entry.ok_or_else(|| Error::new("the entry of a change is missing"))?;
        Ok(Entry::new(entry))
    }

    /// Which change of the entry it is, from 1.
    async fn number(&self) -> i32 {
        // The database keeps it at 100 or below.
        i32::try_from(self.0.number).unwrap_or(i32::MAX)
    }

    /// The whole metadata before.
    async fn before(&self) -> Json {
        Json(self.0.metadata_before.clone())
    }

    /// The whole metadata since then.
    async fn after(&self) -> Json {
        Json(self.0.metadata_after.clone())
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
