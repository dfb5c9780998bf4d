//! The required properties of a connection to an SQLite file, and their check.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor as _, Row as _, SqliteConnection};

use super::keeper::Keeper;
use crate::{
    Access,
    database::{after_connect::AfterConnect, engine::session::SessionError},
};

/// The required properties of a connection to an SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct SqliteSession {
    pub(crate) access: Access,
    pub(crate) busy_timeout: Duration,
    /// The files that the connection must open. `None` only for the first connection, which creates them.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// The application's hook for new connections.
    pub(crate) hook: Option<AfterConnect>,
}

const NOT_KEPT: &str = "this build of SQLite, or its file system, does not keep to it";

/// The name of a database that is attached, or NULL.
const ATTACHED: &str =
    "SELECT min(name) FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";

impl SqliteSession {
    /// Checks a new connection.
    ///
    /// # Errors
    /// [`SessionError`] if a property is missing, and errors of the question itself.
    pub(super) async fn prove(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let busy_timeout = self.busy_timeout.as_millis().to_string();
        let mut expected = vec![
            // Without the write-ahead log, a reader has no snapshot while somebody writes.
            ("journal_mode", "wal"),
            ("foreign_keys", "1"),
            ("ignore_check_constraints", "0"),
            ("read_uncommitted", "0"),
            // With EXCLUSIVE, no other connection could read or write.
            ("locking_mode", "normal"),
            ("writable_schema", "0"),
            ("busy_timeout", busy_timeout.as_str()),
        ];
        expected.push(match self.access {
            Access::ReadOnly => ("query_only", "1"),
            // FULL: an acknowledged COMMIT survives a power cut. With NORMAL and a write-ahead log, it may not.
            Access::ReadWrite => ("synchronous", "2"),
        });
        let question: String = expected
            .iter()
            .map(|(name, _)| format!("PRAGMA {name}; "))
            .collect();
        let question = format!("{question}{ATTACHED}");
        let mut rows = connection.fetch_all(sqlx::AssertSqlSafe(question)).await?;
        let attached: Option<String> = match rows.pop() {
            Some(row) => row.try_get_unchecked(0)?,
            None => None,
        };
        // A setting that this SQLite does not know has no row.
        if rows.len() != expected.len() {
            let error = SessionError::not_as_asked("PRAGMA", "all known", "unknown", NOT_KEPT);
            return Err(error.with_hook(self.hook.is_some()).into());
        }
        for ((name, wanted), row) in expected.into_iter().zip(rows) {
            let found: String = row.try_get_unchecked(0)?;
            if found != wanted {
                let error = SessionError::not_as_asked(name, wanted, &found, NOT_KEPT);
                return Err(error.with_hook(self.hook.is_some()).into());
            }
        }
        if let Some(name) = attached {
            let error = SessionError::not_as_asked(
                "attached databases",
                "none",
                &name,
                "a COMMIT to several files is not atomic, and a reader of several has a snapshot of each",
            );
            return Err(error.with_hook(self.hook.is_some()).into());
        }
        // The path may have changed since the connection was opened.
        self.refuse()
    }

    /// Fails if the files at the paths are not the ones that are open.
    pub(super) fn refuse(&self) -> Result<(), sqlx::Error> {
        match &self.keeper {
            Some(keeper) => Ok(keeper.files.look()?),
            None => Ok(()),
        }
    }
}
