//! The connection that keeps an SQLite database open for the whole life of the `Database`, and makes checkpoints.
//!
//! The last connection that closes deletes the log. This one is closed after all others, so that the log stays the same file (`files`).

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tokio::sync::Mutex;

use super::files::{FileReplaced, Files, Part};

/// How long it may take to write the log of a replaced database to the open file.
const COMPLETION: Duration = Duration::from_secs(5);

/// The files of one SQLite database, and the connection that keeps them.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Dropped before `files`, since the handles must outlive every connection.
    connection: Mutex<Option<SqliteConnection>>,
    options: SqliteConnectOptions,
    pub(crate) files: Files,
}

impl Keeper {
    /// Opens an existing database.
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
            // It is closed even if this fails.
            let _ = connection.close().await;
        }
    }

    /// Moves the log into the database file and empties it, if within `patience` nobody reads from it or writes.
    pub(super) async fn empty_log(&self, patience: Duration) -> Result<bool, sqlx::Error> {
        let mut kept = self.connection.lock().await;
        let Some(connection) = kept.as_mut() else {
            return Err(sqlx::Error::PoolClosed);
        };
        let emptied = empty_log(connection, patience).await;
        if emptied.is_err() && self.files.look().is_ok() {
            // The connection may have been opened when the file was not writable. The new one is opened before the old one is closed.
            if let Ok(connection) = connect(&self.options).await {
                *kept = Some(connection);
            }
        }
        emptied
    }

    /// Saves committed data after a file was replaced: writes the log to the database file that is open, wherever that is now. The log is
    /// then empty, so it cannot be mistaken for the log of another file at the path.
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

/// Keeps a connection open until the process ends. Closing it would write the log to a file that it does not belong to.
fn leave_open(connection: SqliteConnection) {
    std::mem::forget(connection);
}

/// Opens the database, and reads from it, which opens the log.
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
    // The time-out has a row of its own. The first of the checkpoint's three columns says that it was blocked.
    let is_busy: i64 = rows
        .last()
        .ok_or(sqlx::Error::RowNotFound)?
        .try_get_unchecked(0)?;
    Ok(is_busy == 0)
}
