//! Checks whether mutations can be committed now, for readiness checks.

use std::time::Duration;

use sea_orm::DbErr;

use super::engine::{OpenDatabase as _, on_engine};
use crate::{Access, Database, unit::acquire_error};

impl Database {
    /// Checks whether the database accepts writes. It does not if it is a standby or read-only
    /// ([`DatabaseOptions::read_only`](crate::DatabaseOptions::read_only) too), if it cannot be reached, if a write has
    /// just found no room, if a unit has found damage, or if the files of an SQLite database were deleted or replaced.
    ///
    /// The check writes nothing, except on SQLite to find out whether there is room again. If operations use all connections, or another
    /// process is writing to the SQLite file, the check succeeds: that is load, and passes.
    ///
    /// # Errors
    /// Why the database accepts no writes. It is returned within `limit`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn check_writable(&self, limit: Duration) -> Result<(), DbErr> {
        self.check_access(Access::ReadWrite)?;
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
