//! Reverses an entry: writes its mirror image, all at once or [in parts](super::part).
//!
//! What was debited is credited, line by line; of a capture only what it moved. A hold is released instead, and a release has
//! moved nothing. A reversal is an entry like others, so it can be reversed too; what it took of the first entry stays taken. Limits hold
//! for it as for any other entry: money that is no longer there cannot be taken back.

use super::hold::with_article;
use super::part::{self, MOST_PARTS, Part, PartError, Relation, RemainingExceeded, Subject};
use super::posting::{self, Draft, EntryNotes};
use super::{
    BalanceCondition, Clock, Code, ExpectedVersion, Id, InvalidInput, PostEntryError, PostedEntry,
};
use daybook_entity::EntryKind;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

/// The entry to reverse.
#[derive(Clone, Debug)]
pub struct ReverseEntry {
    /// From [`new_entry_id`](super::new_entry_id).
    pub id: Uuid,
    /// The entry.
    pub entry_id: Uuid,
    /// How much to move back of each line that has moved money, in their order: minor units. All that is left, where not said.
    pub amounts: Option<Vec<i64>>,
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
    /// It was reversed before, and nothing of it is left.
    #[error(
        "the entry {} was reversed by {}: to undo that, reverse the reversal",
        Id::Entry(*entry_id),
        Id::Entry(*reversed_by)
    )]
    AlreadyReversed {
        /// The entry.
        entry_id: Uuid,
        /// What has reversed it, or the last part of it.
        reversed_by: Uuid,
    },
    /// Less is left of a line than is to be moved back.
    #[error(transparent)]
    Exceeded(#[from] RemainingExceeded),
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

impl From<PartError> for ReverseEntryError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Input(input) => input.into(),
            PartError::Exceeded(exceeded) => exceeded.into(),
        }
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
            Self::Exceeded(exceeded) => Some(exceeded.code()),
            Self::Database { .. } => None,
        }
    }
}

/// Reverses an entry, or a part of it: the entry and its lines are read, and the mirror entry is inserted by itself, so five statements on
/// PostgreSQL, and two more than posting it took on SQLite. What follows a part takes one more.
///
/// # Errors
/// When there is no such entry, when it has moved nothing or is reversed, when more is to be moved back than is left of a line, when the
/// mirror entry is refused, or when the database fails. The transaction must then be rolled back.
pub async fn reverse_entry(
    db: &impl ConnectionTrait,
    command: ReverseEntry,
    clock: &Clock,
) -> Result<PostedEntry, ReverseEntryError> {
    // Each time that another transaction was faster, there is a part more.
    for _ in 0..=MOST_PARTS {
        if let Some(posted) = try_reverse(db, &command, clock).await? {
            return Ok(posted);
        }
    }
    Err(ReverseEntryError::Database {
        entry_id: command.entry_id,
        source: DbErr::RecordNotInserted,
    })
}

/// Reverses the entry; `None` if another transaction has reversed it, or a part of it, since it was read.
async fn try_reverse(
    db: &impl ConnectionTrait,
    command: &ReverseEntry,
    clock: &Clock,
) -> Result<Option<PostedEntry>, ReverseEntryError> {
    let entry_id = command.entry_id;
    let failed = |source| ReverseEntryError::Database { entry_id, source };
    let reference = command.notes.reference()?;
    let subject = part::subject(db, Relation::Reverses, entry_id, reference.as_deref());
    let subject = reversible(entry_id, subject.await.map_err(failed)?)?;
    let lines = part::lines(db, Relation::Reverses, &subject).await;
    let lines = lines.map_err(failed)?;
    let nothing = "say how much to move back";
    let amounts = part::taken(&subject, &lines, command.amounts.as_deref(), nothing)?;
    let mirrored = lines.iter().zip(&amounts);
    let mirrored = mirrored.filter_map(|(line, amount)| line.mirror(*amount));
    let draft = Draft::new(
        command.id,
        EntryKind::Reversal,
        command.notes.clone(),
        mirrored.collect(),
    );
    let mut draft = draft.checked()?.not_before(subject.effective_at)?;
    draft.reverses_id = Some(entry_id);
    draft.part = Part::of(&subject, command.id, &lines, &amounts)?;
    draft.expect.clone_from(&command.expect);
    draft.conditions.clone_from(&command.conditions);
    Ok(posting::write(db, draft, clock).await?)
}

/// The entry, when it has moved something and something of it is left. What is left does not matter if another entry has the reference:
/// that one is then the answer, or the refusal.
fn reversible(entry_id: Uuid, subject: Option<Subject>) -> Result<Subject, ReverseEntryError> {
    let subject = subject.ok_or(ReverseEntryError::NotFound { entry_id })?;
    if matches!(subject.kind, EntryKind::Hold | EntryKind::Release) {
        let kind = subject.kind;
        return Err(ReverseEntryError::MovedNothing { entry_id, kind });
    }
    match subject.ended_by {
        Some((reversed_by, _)) => Err(ReverseEntryError::AlreadyReversed {
            entry_id,
            reversed_by,
        }),
        None => Ok(subject),
    }
}
