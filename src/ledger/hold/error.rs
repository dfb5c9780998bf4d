//! Why a hold was not resolved.

use crate::ledger::part::PartError;
use crate::ledger::{Code, Id, InvalidInput, PostEntryError, RemainingExceeded};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::EntryKind;
use sea_orm::DbErr;
use uuid::Uuid;

/// Why a hold was neither captured nor released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// The entry that would resolve it cannot be posted.
    #[error(transparent)]
    Post(#[from] PostEntryError),
    /// No such entry.
    #[error("there is no entry {}: check the id of the hold", Id::Entry(*hold_id))]
    NotFound {
        /// As the caller named it.
        hold_id: Uuid,
    },
    /// It is an entry of another kind.
    #[error("the entry {} is {}: only a hold can be captured or released", Id::Entry(*hold_id), with_article(*kind))]
    NotAHold {
        /// As the caller named it.
        hold_id: Uuid,
        /// What it is.
        kind: EntryKind,
    },
    /// Another entry has resolved it, and nothing of it is left.
    #[error(
        "the hold {} was {} by {}: it can be neither captured nor released again; place a new one where that is wanted",
        Id::Entry(*hold_id),
        if by.kind == EntryKind::Release { "released" } else { "captured" },
        Id::Entry(by.id)
    )]
    AlreadyResolved {
        /// The hold.
        hold_id: Uuid,
        /// What resolved it.
        by: ResolvedBy,
    },
    /// It can only be released now.
    #[error(
        "the hold {} expired at {}: release it, and place a new one",
        Id::Entry(*hold_id),
        expired_at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    )]
    Expired {
        /// The hold.
        hold_id: Uuid,
        /// Since when.
        expired_at: DateTime<Utc>,
    },
    /// Less is left of a line than is to be captured or released.
    #[error(transparent)]
    Exceeded(#[from] RemainingExceeded),
    /// The database failed.
    #[error("the database failed while the hold {hold_id} was being resolved")]
    Database {
        /// The hold.
        hold_id: Uuid,
        /// How.
        source: DbErr,
    },
}

/// The entry that has resolved a hold, or the last part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedBy {
    /// Its id.
    pub id: Uuid,
    /// A capture or a release.
    pub kind: EntryKind,
}

impl From<InvalidInput> for HoldError {
    fn from(input: InvalidInput) -> Self {
        Self::Post(input.into())
    }
}

impl From<PartError> for HoldError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Input(input) => input.into(),
            PartError::Exceeded(exceeded) => exceeded.into(),
        }
    }
}

impl HoldError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Post(error) => error.code(),
            Self::NotFound { .. } => Some(Code::EntryNotFound),
            Self::NotAHold { .. } => Some(Code::BadUserInput),
            Self::AlreadyResolved { .. } => Some(Code::HoldAlreadyResolved),
            Self::Expired { .. } => Some(Code::HoldExpired),
            Self::Exceeded(exceeded) => Some(exceeded.code()),
            Self::Database { .. } => None,
        }
    }
}

impl HoldError {
    /// The database's own error, where it is what failed.
    #[must_use]
    pub const fn database_error(&self) -> Option<&DbErr> {
        match self {
            Self::Database { source, .. }
            | Self::Post(
                PostEntryError::Accounts { source } | PostEntryError::Database { source, .. },
            ) => Some(source),
            _ => None,
        }
    }
}

/// A kind of entry in a sentence.
pub(in crate::ledger) const fn with_article(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Post => "a posting",
        EntryKind::Hold => "a hold",
        EntryKind::Capture => "a capture",
        EntryKind::Release => "a release",
        EntryKind::Reversal => "a reversal",
    }
}
