//! The errors of an export.

use crate::ledger::PageError;
use sea_orm::DbErr;
use std::io;
use uuid::Uuid;

/// Why the ledger was not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The database failed.
    #[error("the database failed while the ledger was being read")]
    Database(#[from] DbErr),
    /// The file cannot be written.
    #[error("the file cannot be written")]
    Write(#[from] io::Error),
    /// The format cannot express the entry's date.
    #[error(
        "the entry {entry_id} counts from {at}, and ledger reads dates from the year 1400 to 9999: use --format hledger, csv or json"
    )]
    Date {
        /// The entry's id, as clients know it.
        entry_id: String,
        /// When it counts from.
        at: String,
    },
    /// An entry names an account or a currency that does not exist.
    #[error(
        "the entry {entry_id} names an account or currency that does not exist: see `daybook verify`"
    )]
    Unsound {
        /// The entry.
        entry_id: Uuid,
    },
}

impl From<PageError> for ExportError {
    fn from(error: PageError) -> Self {
        Self::Database(match error {
            PageError::Database { source } => source,
            PageError::Input(input) => DbErr::Custom(input.to_string()),
            PageError::AccountNotFound(refusal) => DbErr::Custom(refusal.to_string()),
            PageError::GroupNotFound(refusal) => DbErr::Custom(refusal.to_string()),
        })
    }
}
