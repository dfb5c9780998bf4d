//! Whether mutations can be committed now: for whoever routes clients to servers.

use std::time::Duration;

use sea_orm::DbErr;

use super::engine::{OpenDatabase as _, on_engine};
use crate::{Database, unit::acquire_error};

impl Database {
    /// Asks whether the database takes writes: not from a standby, not where it was made read-only, not where it cannot be
    /// reached, not where a write has just found no room, not where a unit has met damage, not where the files of an SQLite database were deleted or replaced. It
    /// writes nothing, except that it tries out on SQLite whether there is room again. Where operations keep all connections, or another process writes to the SQLite file, it
    /// is taken to: that is load, and passes.
    ///
    /// # Errors
    /// Why it takes none, within `limit`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn check_writable(&self, limit: Duration) -> Result<(), DbErr> {
        self.health()
            .check_damage()
            .map_err(|damaged| acquire_error(damaged.into()))?;
        let checked =
            on_engine!(Opened, self.opened(), open => open.check_writable(self, limit).await);
        match checked {
            Err(sqlx::Error::PoolTimedOut) => Ok(()),
            checked => checked.map_err(acquire_error),
        }
    }
}
