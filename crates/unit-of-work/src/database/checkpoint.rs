//! The files of a database that is in files: whether they are still the ones that are open, and the length of their log.

use sea_orm::DbErr;

use super::{
    Database,
    engine::{OpenDatabase as _, on_engine},
};
use crate::unit::acquire_error;

/// What a checkpoint found. See [`Database::checkpoint`].
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
    /// The length of the log in bytes, before it.
    pub log_bytes: u64,
    /// Whether the log is empty now. It is not where a reader, in this process or in another, still needs some of it, or somebody
    /// writes.
    pub is_emptied: bool,
}

impl Database {
    /// Looks whether the files of an SQLite database are still the ones that are open, as each unit does that may write. `Ok` on
    /// other engines.
    ///
    /// # Errors
    /// Once one was deleted, moved, replaced, or overwritten by something else than SQLite. [`FailureKind::of`](crate::FailureKind::of)
    /// tells it as [`FileReplaced`](crate::FailureKind::FileReplaced). It stays until the database is connected to anew.
    pub fn check_files(&self) -> Result<(), DbErr> {
        on_engine!(Opened, &self.inner.opened, open => open.check_files(self))
            .map_err(acquire_error)
    }

    /// Moves the write-ahead log of an SQLite database into the database file and empties it, where it has more than
    /// `least` bytes. SQLite does the first by itself, but the log stays as long as it once was; and where somebody reads all the time,
    /// it grows. Nobody is waited for, and while it runs nobody can write: where the log was small, that takes milliseconds.
    /// `None` on other engines.
    ///
    /// # Errors
    /// When the log cannot be looked at or moved.
    ///
    /// # Cancel safety
    /// Dropping the future lets it go on.
    pub async fn checkpoint(&self, least: u64) -> Result<Option<Checkpoint>, DbErr> {
        self.check_files()?;
        on_engine!(Opened, &self.inner.opened, open => open.checkpoint(least).await)
            .map_err(acquire_error)
    }
}
