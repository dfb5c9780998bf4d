//! Checks of an SQLite database's files: whether they are still the ones that are open, and how long the log is.

use sea_orm::DbErr;

use super::{
    Database,
    engine::{OpenDatabase as _, on_engine},
};
use crate::unit::acquire_error;

/// The result of a checkpoint. See [`Database::checkpoint`].
///
/// ```no_run
/// # async fn example(database: &unit_of_work::Database) -> Result<(), sea_orm::DbErr> {
/// if let Some(checkpoint) = database.checkpoint(64 * 1024 * 1024).await? {
///     println!("the log had {} bytes", checkpoint.log_bytes);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The length of the log in bytes, before the checkpoint.
    pub log_bytes: u64,
    /// Whether the log is empty now. It is not if a reader, in this process or another, still needs a part of it, or if somebody writes.
    pub is_emptied: bool,
}

impl Database {
    /// Checks whether the files of an SQLite database are still the ones that are open, as each unit does that may write. `Ok` on other
    /// engines.
    ///
    /// # Errors
    /// If one was deleted, moved, replaced, or overwritten by something else than SQLite. [`FailureKind::of`](crate::FailureKind::of)
    /// returns [`FileReplaced`](crate::FailureKind::FileReplaced) for it. The error stays until the database is connected to again.
    pub fn check_files(&self) -> Result<(), DbErr> {
        on_engine!(Opened, &self.inner.opened, open => open.check_files(self))
            .map_err(acquire_error)
    }

    /// Moves the write-ahead log of an SQLite database into the database file and empties it, if it has more than `least` bytes. `None` on
    /// other engines, and on a database that only reads.
    ///
    /// SQLite moves it by itself, but never makes the file shorter, and the log grows as long as somebody reads all the time. The
    /// checkpoint waits for nobody. While it runs, nobody can write; for a small log that takes milliseconds.
    ///
    /// # Errors
    /// If the log cannot be read or moved.
    ///
    /// # Cancel safety
    /// If the future is dropped, the checkpoint goes on.
    pub async fn checkpoint(&self, least: u64) -> Result<Option<Checkpoint>, DbErr> {
        self.check_files()?;
        if self.is_read_only() {
            return Ok(None);
        }
        on_engine!(Opened, &self.inner.opened, open => open.checkpoint(least).await)
            .map_err(acquire_error)
    }
}
