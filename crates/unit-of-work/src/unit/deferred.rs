//! What the database checks only at COMMIT, checked earlier: a dry run must not promise what COMMIT would refuse.

use super::UnitOfWork;
use crate::error::CommitFailure;

impl UnitOfWork {
    /// Checks now what would be checked at COMMIT. For a dry run.
    ///
    /// # Errors
    /// [`CommitFailure`], as COMMIT would answer.
    pub(crate) async fn check_deferred(&self) -> Result<(), CommitFailure> {
        if !self.stats().has_begun() || self.doom().is_some() {
            return Ok(());
        }
        let checked = self.inner.database.check_deferred(self).await;
        match checked {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(failure),
            Err(error) => Err(CommitFailure::of_db_err(&error)),
        }
    }
}
