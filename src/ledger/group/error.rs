//! Why a group was not changed.

use super::GroupRef;
use crate::ledger::{AccountNotFound, Code, InvalidInput};
use sea_orm::DbErr;
use uuid::Uuid;

/// An input names a group of accounts that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no group of accounts `{group}`: see `accountGroups`, or create it first")]
pub struct GroupNotFound {
    /// Where in the input, as the caller wrote it.
    pub field: String,
    /// As the caller named it.
    pub group: GroupRef,
}

/// Why a group of accounts, or what is in it, was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountGroupError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The input names a group that there is not.
    #[error(transparent)]
    NotFound(#[from] GroupNotFound),
    /// The input names an account that there is not.
    #[error(transparent)]
    AccountNotFound(#[from] AccountNotFound),
    /// Paths are unique.
    #[error("another group has the path `{path}`: use that group, or choose another path")]
    PathTaken {
        /// The path that was asked for.
        path: String,
        /// The group that has it.
        group_id: Uuid,
    },
    /// Only a group with nothing in it is deleted.
    #[error(
        "the group `{path}` is not empty: {groups} groups, {accounts} accounts and {code_prefixes} prefixes of codes are in it; move \
         them or take them out first"
    )]
    NotEmpty {
        /// Its id.
        group_id: Uuid,
        /// Its path.
        path: String,
        /// How many groups are directly in it.
        groups: i64,
        /// How many accounts are in it by hand.
        accounts: i64,
        /// How many prefixes of codes are in it.
        code_prefixes: i64,
    },
    /// Somebody else has changed it in the meantime.
    #[error(
        "the group `{path}` is at revision {actual}, and {expected} was expected: read it again, and decide anew"
    )]
    RevisionConflict {
        /// Its id.
        group_id: Uuid,
        /// Its path.
        path: String,
        /// What the caller expected.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// The database failed.
    #[error("the database failed while a group of accounts was being changed")]
    Database {
        /// How.
        #[from]
        source: DbErr,
    },
}

impl AccountGroupError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::NotFound(_) => Some(Code::GroupNotFound),
            Self::AccountNotFound(_) => Some(Code::AccountNotFound),
            Self::PathTaken { .. } => Some(Code::GroupPathTaken),
            Self::NotEmpty { .. } => Some(Code::GroupNotEmpty),
            Self::RevisionConflict { .. } => Some(Code::VersionConflict),
            Self::Database { .. } => None,
        }
    }
}
