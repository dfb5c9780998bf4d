//! What the database checks only at COMMIT, checked earlier: a dry run must not promise what COMMIT would refuse.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::UnitOfWork;
use crate::{FailureKind, error::CommitFailure};

impl UnitOfWork {
    /// Checks now what would be checked at COMMIT. For a dry run.
    ///
    /// # Errors
    /// [`CommitFailure`], as COMMIT would answer.
    pub(crate) async fn check_deferred(&self) -> Result<(), CommitFailure> {
        if !self.stats().has_begun() || self.doom().is_some() {
            return Ok(());
        }
        let checked = match self.backend() {
            DbBackend::Sqlite => self.sqlite_orphan().await,
            _ => self
                .execute_unprepared("SET CONSTRAINTS ALL IMMEDIATE")
                .await
                .map(|_| None),
        };
        match checked {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(failure),
            Err(error) => Err(CommitFailure::of_db_err(&error)),
        }
    }

    /// SQLite counts deferred violations but checks them only at COMMIT; this looks at every row that has a foreign key.
    async fn sqlite_orphan(&self) -> Result<Option<CommitFailure>, DbErr> {
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA foreign_key_check");
        let orphan = self.query_one_raw(check).await?;
        Ok(orphan.map(|_| CommitFailure {
            kind: FailureKind::Constraint,
            constraint: None,
        }))
    }
}
