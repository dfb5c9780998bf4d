//! Checks deferred constraints before COMMIT, for dry runs, which must not promise what COMMIT would refuse.

use super::UnitOfWork;
use crate::error::CommitFailure;

impl UnitOfWork {
    /// Checks deferred constraints now, for a dry run.
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
