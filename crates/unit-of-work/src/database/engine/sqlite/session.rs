//! What a connection to an SQLite file must be, and the proof that it is.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor as _, Row as _, SqliteConnection};

use super::keeper::Keeper;
use crate::{Access, database::engine::session::SessionError};

/// What a connection to an SQLite file must be.
#[derive(Clone, Debug)]
pub(crate) struct SqliteSession {
    pub(crate) access: Access,
    pub(crate) busy_timeout: Duration,
    /// The files that it must be a connection to. `None` only for the first, which makes them.
    pub(crate) keeper: Option<Arc<Keeper>>,
}

const NOT_KEPT: &str = "this build of SQLite, or its file system, does not keep to it";

impl SqliteSession {
    /// Asks a new connection.
    ///
    /// # Errors
    /// [`SessionError`] where it is not as asked, and those of asking.
    pub(super) async fn prove(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let busy_timeout = self.busy_timeout.as_millis().to_string();
        let mut expected = vec![
            // Without the log, a reader has no snapshot beside a writer.
            ("journal_mode", "wal"),
            ("foreign_keys", "1"),
            ("ignore_check_constraints", "0"),
            ("read_uncommitted", "0"),
            ("busy_timeout", busy_timeout.as_str()),
        ];
        expected.push(match self.access {
            Access::ReadOnly => ("query_only", "1"),
            // FULL: a commit that was acknowledged survives a power cut. With NORMAL it need not, on a log.
            Access::ReadWrite => ("synchronous", "2"),
        });
        let question: String = expected
            .iter()
            .map(|(name, _)| format!("PRAGMA {name}; "))
            .collect();
        let rows = connection.fetch_all(sqlx::AssertSqlSafe(question)).await?;
        // A setting that this SQLite does not know has no row, and then there are too few.
        if rows.len() != expected.len() {
            let error = SessionError::not_as_asked("PRAGMA", "all known", "unknown", NOT_KEPT);
            return Err(error.into());
        }
        for ((name, wanted), row) in expected.into_iter().zip(rows) {
            let found: String = row.try_get_unchecked(0)?;
            if found != wanted {
                return Err(SessionError::not_as_asked(name, wanted, &found, NOT_KEPT).into());
            }
        }
        // The path may lead elsewhere since the connection was begun.
        self.refuse()
    }

    /// Refuses where the files at the paths are not the ones that are open.
    pub(super) fn refuse(&self) -> Result<(), sqlx::Error> {
        match &self.keeper {
            Some(keeper) => Ok(keeper.files.look()?),
            None => Ok(()),
        }
    }
}
