//! An entry.

use async_graphql::{Context, Enum, ID, Object, Result};
use daybook_entity::entry;
use unit_of_work::ContextExt as _;

use super::{EntryLine, global_id};
use crate::{
    graphql::{
        loaders::Lines,
        scalars::{DateTime, Json},
    },
    ledger::Id,
};

/// What an entry does.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::EntryKind")]
pub enum EntryKind {
    /// Moves money.
    Post,
    /// Sets money aside.
    Hold,
    /// Moves money that a hold had set aside.
    Capture,
    /// Gives back what a hold had set aside.
    Release,
    /// Undoes an entry.
    Reversal,
}

/// One event of the journal: amounts that moved together. It never changes; a mistake is reversed.
pub struct Entry(pub(in crate::graphql) entry::Model);

/// One event of the journal: amounts that moved together. It never changes; a mistake is reversed.
#[Object]
impl Entry {
    /// `entry_…`
    pub async fn id(&self) -> ID {
        global_id(Id::Entry(self.0.id))
    }

    /// What it does.
    async fn kind(&self) -> EntryKind {
        self.0.kind.into()
    }

    /// What it moves, in the order in which it was written down.
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<EntryLine>> {
        let lines = ctx.loader::<Lines>().load_one(self.0.id).await?;
        let lines = lines.unwrap_or_default();
        Ok(lines.into_iter().map(EntryLine).collect())
    }

    /// When it counts from, as whoever posted it says.
    async fn effective_at(&self) -> DateTime {
        DateTime(self.0.effective_at)
    }

    /// When the ledger learned of it.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.0.recorded_at)
    }

    /// What people read.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// A JSON object of your own.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }
}
