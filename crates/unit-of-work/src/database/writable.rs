//! Whether mutations can be committed now: for whoever routes clients to servers.

use std::time::Duration;

use sea_orm::DbErr;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Row as _, SqlSafeStr as _, Sqlite};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::{Instant, timeout};

use crate::{
    Access, Database, FailureKind,
    database::{
        pool::{AnyPool, Pool},
        session::SessionError,
    },
    unit::acquire_error,
};

const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

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
        let checked = match self.pool(Access::ReadWrite) {
            AnyPool::Postgres(_) if self.health().was_full_just_now() => Err(no_room()),
            AnyPool::Postgres(pool) => postgres(pool, limit).await,
            AnyPool::Sqlite(pool) => match self.look_at_files(Access::ReadWrite) {
                Ok(()) => self.sqlite(pool, limit).await,
                Err(replaced) => Err(replaced),
            },
        };
        match checked {
            Err(sqlx::Error::PoolTimedOut) => Ok(()),
            checked => checked.map_err(acquire_error),
        }
    }
}

async fn postgres(pool: &Pool<Postgres>, limit: Duration) -> Result<(), sqlx::Error> {
    let ask = async {
        let deadline = Instant::now() + limit;
        let (mut connection, row) = loop {
            let mut connection = pool.acquire_for(limit / 2, Some(deadline)).await?;
            connection.in_doubt(true);
            match connection.fetch_one(TAKES_WRITES).await {
                // It died while it lay idle, which says nothing of the server that is there now.
                Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {}
                row => break (connection, row?),
            }
        };
        connection.in_doubt(false);
        // Through the simple protocol, as text.
        let takes_writes: String = row.try_get_unchecked(0)?;
        if takes_writes == "t" {
            return Ok(());
        }
        connection.leave_server();
        let error = SessionError::TakesNoWrites("the server is a standby, or is read-only");
        Err(error.into())
    };
    timeout(limit, ask)
        .await
        .unwrap_or_else(|_| Err(crate::database::pool::no_answer()))
}

/// Nothing small can be written on PostgreSQL that would tell whether there is room for more.
fn no_room() -> sqlx::Error {
    let error = std::io::Error::new(
        std::io::ErrorKind::StorageFull,
        "a write has just found no room",
    );
    sqlx::Error::Io(error)
}

impl Database {
    async fn sqlite(&self, pool: &Pool<Sqlite>, limit: Duration) -> Result<(), sqlx::Error> {
        type Transactions = <Sqlite as sqlx::Database>::TransactionManager;
        let ask = async {
            let mut connection = pool.acquire_for(limit / 2, None).await?;
            connection.in_doubt(true);
            let begin = "BEGIN IMMEDIATE".into_sql_str();
            match Transactions::begin(&mut connection, Some(begin)).await {
                Err(error) if FailureKind::of_driver(&error) == FailureKind::Conflict => {
                    return Ok(());
                }
                begun => begun?,
            }
            // Where the file is read-only, SQLite has begun to read: only a write finds out.
            let row = connection.fetch_one("PRAGMA user_version").await?;
            let version: i64 = row.try_get(0)?;
            let write = format!("PRAGMA user_version = {version}");
            connection.execute(AssertSqlSafe(write)).await?;
            if self.health().is_full() {
                // Nobody may come to find room while it is said that there is none.
                Transactions::commit(&mut connection).await?;
                self.health().committed();
            } else {
                Transactions::rollback(&mut connection).await?;
            }
            connection.in_doubt(false);
            Ok(())
        };
        // Who waits so long waits for another process that writes.
        timeout(limit, ask).await.unwrap_or(Ok(()))
    }
}
