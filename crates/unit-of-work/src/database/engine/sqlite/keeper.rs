//! The connection that keeps an SQLite database open as long as the process does, and moves its log into the database file.
//!
//! Whoever closes a database last deletes its log. This connection is never closed before the others, so that the log that was there
//! at the start stays the one (`files`).

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tokio::sync::Mutex;

use super::files::{FileReplaced, Files, Part};

/// How long the log of a database that was replaced may take to be written into the file that is open.
const COMPLETION: Duration = Duration::from_secs(5);

/// The files of one SQLite database, and the connection that keeps them.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Dropped before `files`, whose handles must outlast every connection.
    connection: Mutex<Option<SqliteConnection>>,
    options: SqliteConnectOptions,
    pub(crate) files: Files,
}

impl Keeper {
    /// Opens a database that is there.
    pub(crate) async fn open(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let options = options.clone().create_if_missing(false);
        let connection = connect(&options).await?;
        let files = Files::of(options.get_filename()).map_err(sqlx::Error::Io)?;
        Ok(Self {
            files,
            options,
            connection: Mutex::new(Some(connection)),
        })
    }

    /// Closes the connection. The last one to close moves the log into the database file, and deletes it.
    pub(crate) async fn close(&self) {
        let Some(connection) = self.connection.lock().await.take() else {
            return;
        };
        if self.files.has_foreign_contents() {
            leave_open(connection);
        } else {
            // It is closed, one way or the other.
            let _ = connection.close().await;
        }
    }

    /// Moves the log into the database file and empties it, if nobody reads from it or writes within `patience`.
    pub(super) async fn empty_log(&self, patience: Duration) -> Result<bool, sqlx::Error> {
        let mut kept = self.connection.lock().await;
        let Some(connection) = kept.as_mut() else {
            return Err(sqlx::Error::PoolClosed);
        };
        let emptied = empty_log(connection, patience).await;
        if emptied.is_err() && self.files.look().is_ok() {
            // It may have been opened when the file could not be written. The old one goes after the new one has come.
            if let Ok(connection) = connect(&self.options).await {
                *kept = Some(connection);
            }
        }
        emptied
    }

    /// Writes what was committed into the database file that is open, although its path leads elsewhere or its log is gone: then
    /// it is in that file, wherever it is. And the log is emptied, so that it cannot be taken for that of another file at
    /// the path.
    pub(crate) async fn complete(&self, replaced: &FileReplaced) {
        if !replaced.can_be_completed() {
            return;
        }
        let is_log_alone = replaced.part == Part::Log;
        match self.empty_log(COMPLETION).await {
            Ok(true) if is_log_alone => tracing::warn!(
                "what was committed is in the database file: nothing is lost by starting the server again"
            ),
            Ok(true) => tracing::warn!(
                "what was committed is in the database file that was open, wherever it is now"
            ),
            Ok(false) => tracing::error!(
                "what was committed last may be in the write-ahead log that is open, alone: somebody else reads or writes the database"
            ),
            Err(error) => tracing::error!(
                %error,
                "what was committed last may be in the write-ahead log that is open, alone"
            ),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.files.has_foreign_contents()
            && let Some(connection) = self.connection.get_mut().take()
        {
            leave_open(connection);
        }
    }
}

/// Keeps a connection until the process ends: closing it would write the log onto contents that it does not belong to.
fn leave_open(connection: SqliteConnection) {
    std::mem::forget(connection);
}

/// Opens the database and reads from it, which opens its log.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection
        .execute("SELECT count(*) FROM sqlite_schema")
        .await?;
    Ok(connection)
}

async fn empty_log(
    connection: &mut SqliteConnection,
    patience: Duration,
) -> Result<bool, sqlx::Error> {
    let milliseconds = patience.as_millis();
    let sql = format!("PRAGMA busy_timeout = {milliseconds}; PRAGMA main.wal_checkpoint(TRUNCATE)");
    let rows = connection.fetch_all(AssertSqlSafe(sql)).await?;
    // The time-out has a row of its own. Of the checkpoint's three columns the first says that somebody was in the way.
    let is_busy: i64 = rows
        .last()
        .ok_or(sqlx::Error::RowNotFound)?
        .try_get_unchecked(0)?;
    Ok(is_busy == 0)
}
