//! Why a file was not imported.

use crate::exchange::refusal::{Refusal, SourceError};
use sea_orm::DbErr;

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Of what it says, by itself or to this ledger.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database failed.
    #[error("the database failed during the import")]
    Database(#[from] DbErr),
}

impl From<Refusal> for ImportError {
    fn from(refusal: Refusal) -> Self {
        Self::Source(refusal.into())
    }
}
