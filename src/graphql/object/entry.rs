//! An entry.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use daybook_entity::{entry, entry_line};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::{EntryChange, EntryLine, Ledger, Receipt, global_id};
use crate::{
    graphql::{
        context::LedgerContext as _,
        count_items::count_items,
        loaders::{
            self, Entries, EntryChanges, Lines, Receipts, Resolutions, Resolvers, ReversalParts,
            Reversals,
        },
        scalars::{DateTime, Json},
    },
    ledger::{About, Id},
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

/// The state of a hold.
#[derive(SimpleObject)]
pub struct HoldState {
    /// Its status.
    status: HoldStatus,
    /// From when on it can no longer be captured; null for never.
    expires_at: Option<DateTime>,
}

/// The status of a hold.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldStatus {
    /// It can be captured or released, as far as that has not happened yet.
    Open,
    /// It has expired: it can only be released, and counts against limits until it is.
    Expired,
    /// It is over, and was captured, in whole or in part.
    Captured,
    /// It was released, and nothing of it was captured.
    Released,
}

async fn load(ctx: &Context<'_>, id: Option<Uuid>) -> Result<Option<Entry>> {
    let Some(id) = id else {
        return Ok(None);
    };
    let entry = loaders::load::<Entries, _>(ctx, id).await?;
    Ok(entry.map(Entry::new))
}

/// These entries, which are read only if they are not too many.
async fn list(ctx: &Context<'_>, entries: Option<Vec<About>>) -> Result<Vec<Entry>> {
    let entries = entries.unwrap_or_default();
    count_items(ctx, entries.len())?;
    let ids = entries.into_iter().map(|it| it.id);
    let loaded = try_join_all(ids.map(|id| loaders::load::<Entries, _>(ctx, id))).await?;
    Ok(loaded.into_iter().flatten().map(Entry::new).collect())
}

/// One event of the journal: amounts that moved together. It never changes, but for metadata that is added; a mistake is reversed.
pub struct Entry {
    row: entry::Model,
    /// Set if the lines are already known, as those of an entry that this operation posted.
    lines: Option<Vec<entry_line::Model>>,
}

impl Entry {
    pub(in crate::graphql) const fn new(row: entry::Model) -> Self {
        Self { row, lines: None }
    }

    pub(in crate::graphql) const fn with_lines(
        row: entry::Model,
        lines: Vec<entry_line::Model>,
    ) -> Self {
        Self {
            row,
            lines: Some(lines),
        }
    }

    /// Whether something of this hold was captured.
    async fn is_captured(&self, ctx: &Context<'_>) -> Result<bool> {
        let entries = loaders::load::<Resolutions, _>(ctx, self.row.id).await?;
        let is_capture = |it: &About| it.kind == daybook_entity::EntryKind::Capture;
        Ok(entries.unwrap_or_default().iter().any(is_capture))
    }
}

/// One event of the journal: amounts that moved together. It never changes, but for metadata that is added; a mistake is reversed.
#[Object]
impl Entry {
    /// `entry_…`
    pub async fn id(&self) -> ID {
        global_id(Id::Entry(self.row.id))
    }

    /// The name that it was posted with, which no other entry ever has; null if it was posted without one.
    async fn reference(&self) -> Option<&str> {
        self.row.reference.as_deref()
    }

    /// What it does.
    async fn kind(&self) -> EntryKind {
        self.row.kind.into()
    }

    /// What it moves, in the order in which it was written down.
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<EntryLine>> {
        let lines = match &self.lines {
            Some(lines) => lines.clone(),
            None => {
                let lines = loaders::load::<Lines, _>(ctx, self.row.id).await?;
                lines.unwrap_or_default()
            }
        };
        count_items(ctx, lines.len())?;
        Ok(lines.into_iter().map(EntryLine).collect())
    }

    /// The state of the hold; null for an entry that is not a hold.
    async fn hold(&self, ctx: &Context<'_>) -> Result<Option<HoldState>> {
        if self.row.kind != daybook_entity::EntryKind::Hold {
            return Ok(None);
        }
        let status = match loaders::load::<Resolvers, _>(ctx, self.row.id).await? {
            Some(entry) if entry.kind == daybook_entity::EntryKind::Capture => HoldStatus::Captured,
            Some(entry) if entry.part.is_some() && self.is_captured(ctx).await? => {
                HoldStatus::Captured
            }
            Some(_) => HoldStatus::Released,
            None if self.row.expires_at.is_some_and(|at| at <= ctx.now()) => HoldStatus::Expired,
            None => HoldStatus::Open,
        };
        let expires_at = self.row.expires_at.map(DateTime);
        Ok(Some(HoldState { status, expires_at }))
    }

    /// The hold that this entry captures or releases, or of which it does a part.
    async fn resolves(&self, ctx: &Context<'_>) -> Result<Option<Entry>> {
        load(ctx, self.row.resolves_id).await
    }

    /// The capture or the release that has ended this hold: the last one, if there were several. Null while something of it is set aside.
    async fn resolved_by(&self, ctx: &Context<'_>) -> Result<Option<Entry>> {
        if self.row.kind != daybook_entity::EntryKind::Hold {
            return Ok(None);
        }
        let entry = loaders::load::<Resolvers, _>(ctx, self.row.id).await?;
        Ok(entry.map(Entry::new))
    }

    /// All captures and releases of this hold, in their order: at most 100. Empty for an entry that is no hold.
    async fn resolutions(&self, ctx: &Context<'_>) -> Result<Vec<Entry>> {
        if self.row.kind != daybook_entity::EntryKind::Hold {
            return Ok(Vec::new());
        }
        let entries = loaders::load::<Resolutions, _>(ctx, self.row.id).await?;
        list(ctx, entries).await
    }

    /// The entry that this one undoes, in whole or in part.
    async fn reverses(&self, ctx: &Context<'_>) -> Result<Option<Entry>> {
        load(ctx, self.row.reverses_id).await
    }

    /// Whether this capture, release or reversal has left something of its hold or entry for another one to take. It says so for ever; what is left
    /// now, `remaining` of the lines says. Null for other entries.
    async fn leaves_rest(&self) -> Option<bool> {
        let takes_of_another = self.row.resolves_id.is_some() || self.row.reverses_id.is_some();
        takes_of_another.then_some(self.row.leaves_rest)
    }

    /// All reversals of this entry, in their order: at most 100. Each has moved back a part, or all that was left.
    async fn reversals(&self, ctx: &Context<'_>) -> Result<Vec<Entry>> {
        let entries = loaders::load::<ReversalParts, _>(ctx, self.row.id).await?;
        list(ctx, entries).await
    }

    /// The reversal that has undone this entry: the last one, if there were several. Null while something of it is left.
    async fn reversed_by(&self, ctx: &Context<'_>) -> Result<Option<Entry>> {
        let entry = loaders::load::<Reversals, _>(ctx, self.row.id).await?;
        Ok(entry.map(Entry::new))
    }

    /// When it counts from, as whoever posted it says.
    async fn effective_at(&self) -> DateTime {
        DateTime(self.row.effective_at)
    }

    /// When the ledger learned of it.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.row.recorded_at)
    }

    /// Who had it recorded: the `sub` of the token with which it was posted. Null if it was posted without authentication, by the server
    /// itself (the release of an expired hold) or by an import.
    async fn recorded_by(&self) -> Option<&str> {
        self.row.recorded_by.as_deref()
    }

    /// The ledger that it is in; null for the one that has no name.
    async fn ledger(&self, ctx: &Context<'_>) -> Result<Option<Ledger>> {
        Ledger::of(ctx, self.row.ledger.as_deref()).await
    }

    /// A text for people.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }

    /// A JSON object of your own, with what `annotateEntry` has added.
    async fn metadata(&self) -> Json {
        Json(self.row.metadata.clone())
    }

    /// What was added to its metadata after it was posted, or put in the place of other metadata: newest first, at most 100.
    async fn changes(&self, ctx: &Context<'_>) -> Result<Vec<EntryChange>> {
        let changes = loaders::load::<EntryChanges, _>(ctx, self.row.id).await?;
        let changes = changes.unwrap_or_default();
        count_items(ctx, changes.len())?;
        Ok(changes.into_iter().map(EntryChange).collect())
    }

    /// The proof that it was posted, to be kept. Null until it is sealed, which takes a second or two, and where no server seals the ledger.
    async fn receipt(&self, ctx: &Context<'_>) -> Result<Option<Receipt>> {
        let receipt = loaders::load::<Receipts, _>(ctx, self.row.id).await?;
        Ok(receipt.map(Into::into))
    }
}
