//! Why an endpoint was not created or changed.

use crate::ledger::{AccountNotFound, Code, InvalidInput};
use sea_orm::DbErr;

/// Why an endpoint was not created or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// No account has this id or code.
    #[error(transparent)]
    AccountNotFound(#[from] AccountNotFound),
    /// No endpoint has this id.
    #[error("there is no webhook `{}`: `webhooks` lists them", .id.escape_debug())]
    NotFound {
        /// As the caller named it.
        id: String,
    },
    /// The list of dead letters does not have an event.
    #[error(
        "the event {cursor} is not among the dead letters of this webhook: `deadLetters` lists them"
    )]
    NoDeadLetter {
        /// The number of the event.
        cursor: i64,
    },
    /// The database failed.
    #[error("the database failed while a webhook was being written")]
    Database(#[from] DbErr),
}

impl WebhookError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::AccountNotFound(_) => Some(Code::AccountNotFound),
            Self::NotFound { .. } => Some(Code::WebhookNotFound),
            Self::NoDeadLetter { .. } => Some(Code::BadUserInput),
            Self::Database(_) => None,
        }
    }
}
