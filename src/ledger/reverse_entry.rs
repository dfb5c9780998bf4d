//! Reverses an entry: writes its mirror image, once.
//!
//! What was debited is credited, line by line; of a capture only what it moved. A hold is released instead, and a release has
//! moved nothing. A reversal is an entry like others, so it can be reversed too. Limits hold for it as for any other entry: money that
//! is no longer there cannot be taken back.

use super::hold::with_article;
use super::posting::{self, Draft, DraftLine, EntryNotes};
use super::{
    AccountRef, BalanceCondition, Clock, Code, ExpectedVersion, Id, InvalidInput, PostEntryError,
    PostedEntry, find,
};
use daybook_entity::{EntryKind, LineEffect, entry, entry_line};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use uuid::Uuid;

/// The entry to reverse.
#[derive(Clone, Debug)]
pub struct ReverseEntry {
    /// From [`new_entry_id`](super::new_entry_id).
    pub id: Uuid,
    /// The entry.
    pub entry_id: Uuid,
    /// When the reversal counts from, and what people and programs read.
    pub notes: EntryNotes,
    /// The versions that accounts (of the entry, or others) must still have; each account once.
    pub expect: Vec<ExpectedVersion>,
    /// What balances of accounts (of the entry, or others) must be, before it; an account can be in several.
    pub conditions: Vec<BalanceCondition>,
}

/// Why an entry was not reversed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReverseEntryError {
    /// The mirror entry cannot be posted.
    #[error(transparent)]
    Post(#[from] PostEntryError),
    /// No such entry.
    #[error("there is no entry {}: check its id", Id::Entry(*entry_id))]
    NotFound {
        /// As the caller named it.
        entry_id: Uuid,
    },
    /// It has moved nothing.
    #[error(
        "the entry {} is {} and has moved nothing: {}",
        Id::Entry(*entry_id),
        with_article(*kind),
        if *kind == EntryKind::Hold { "release it instead" } else { "there is nothing to reverse" }
    )]
    MovedNothing {
        /// As the caller named it.
        entry_id: Uuid,
        /// What it is.
        kind: EntryKind,
    },
    /// It was reversed before.
    #[error(
        "the entry {} was reversed by {}: to undo that, reverse the reversal",
        Id::Entry(*entry_id),
        Id::Entry(*reversed_by)
    )]
    AlreadyReversed {
        /// The entry.
        entry_id: Uuid,
        /// What has reversed it.
        reversed_by: Uuid,
    },
    /// The database failed.
    #[error("the database failed while the entry {entry_id} was being reversed")]
    Database {
        /// The entry.
        entry_id: Uuid,
        /// How.
        source: DbErr,
    },
}

impl From<InvalidInput> for ReverseEntryError {
    fn from(input: InvalidInput) -> Self {
        Self::Post(input.into())
    }
}

impl ReverseEntryError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Post(error) => error.code(),
            Self::NotFound { .. } => Some(Code::EntryNotFound),
            Self::MovedNothing { .. } => Some(Code::BadUserInput),
            Self::AlreadyReversed { .. } => Some(Code::AlreadyReversed),
            Self::Database { .. } => None,
        }
    }
}

/// Reverses an entry: the entry and its lines are read, and the mirror entry is inserted by itself, so five statements on PostgreSQL,
/// and two more than posting it took on SQLite.
///
/// # Errors
/// When there is no such entry, when it has moved nothing or is reversed, when the mirror entry is refused, or when the database fails.
/// The transaction must then be rolled back.
pub async fn reverse_entry(
    db: &impl ConnectionTrait,
    command: ReverseEntry,
    clock: &Clock,
) -> Result<PostedEntry, ReverseEntryError> {
    let entry_id = command.entry_id;
    let failed = |source| ReverseEntryError::Database { entry_id, source };
    let reference = command.notes.reference()?;
    let reversed = reversible(db, entry_id, reference).await?;
    let lines = find::lines_by_entry_id(db, [entry_id])
        .await
        .map_err(failed)?;
    let lines = lines.into_values().flatten().filter_map(mirror).collect();
    let draft = Draft::new(command.id, EntryKind::Reversal, command.notes, lines);
    let mut draft = draft.checked()?.not_before(&reversed)?;
    draft.reverses_id = Some(entry_id);
    draft.expect = command.expect;
    draft.conditions = command.conditions;
    if let Some(posted) = posting::write(db, draft, clock).await? {
        return Ok(posted);
    }
    let reversal = entry::Entity::find()
        .filter(entry::Column::ReversesId.eq(entry_id))
        .one(db)
        .await
        .map_err(failed)?
        .ok_or_else(|| failed(DbErr::RecordNotInserted))?;
    Err(ReverseEntryError::AlreadyReversed {
        entry_id,
        reversed_by: reversal.id,
    })
}

/// The entry, when it has moved something and nothing has reversed it yet: one statement. Whether it is reversed does not matter if
/// another entry has the reference: that one is then the answer, or the refusal.
async fn reversible(
    db: &impl ConnectionTrait,
    entry_id: Uuid,
    reference: Option<String>,
) -> Result<entry::Model, ReverseEntryError> {
    let found = entry::Entity::find()
        .filter(
            Condition::any()
                .add(entry::Column::Id.eq(entry_id))
                .add(entry::Column::ReversesId.eq(entry_id))
                .add_option(
                    reference
                        .as_deref()
                        .map(|it| entry::Column::Reference.eq(it)),
                ),
        )
        .all(db)
        .await
        .map_err(|source| ReverseEntryError::Database { entry_id, source })?;
    let is_taken = reference.is_some() && found.iter().any(|it| it.reference == reference);
    let (found, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|entry| entry.id == entry_id);
    let mut reversals = others
        .iter()
        .filter(|other| !is_taken && other.reverses_id == Some(entry_id));
    let entry = found
        .into_iter()
        .next()
        .ok_or(ReverseEntryError::NotFound { entry_id })?;
    if matches!(entry.kind, EntryKind::Hold | EntryKind::Release) {
        let kind = entry.kind;
        return Err(ReverseEntryError::MovedNothing { entry_id, kind });
    }
    match reversals.next() {
        Some(reversal) => Err(ReverseEntryError::AlreadyReversed {
            entry_id,
            reversed_by: reversal.id,
        }),
        None => Ok(entry),
    }
}

/// The line the other way round; `None` for one that only freed what a hold had set aside.
fn mirror(line: entry_line::Model) -> Option<DraftLine> {
    match line.effect {
        LineEffect::Post | LineEffect::Capture => Some(DraftLine {
            debit: AccountRef::Id(line.credit_account_id),
            credit: AccountRef::Id(line.debit_account_id),
            amount: line.amount,
            currency: line.currency,
            effect: LineEffect::Post,
        }),
        LineEffect::Hold | LineEffect::Release => None,
    }
}
