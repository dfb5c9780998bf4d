//! Checks whether an SQLite file accepts writes now.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _, Row as _, SqlSafeStr as _, Sqlite};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use crate::{Database, FailureKind, database::pool::Pool};

type Transactions = <Sqlite as sqlx::Database>::TransactionManager;

pub(super) async fn check(
    pool: &Pool<Sqlite>,
    database: &Database,
    limit: Duration,
) -> Result<(), sqlx::Error> {
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
        // If the file is read-only, BEGIN IMMEDIATE only reads. Only a write shows it.
        let row = connection.fetch_one("PRAGMA user_version").await?;
        let version: i64 = row.try_get(0)?;
        let write = format!("PRAGMA user_version = {version}");
        connection.execute(AssertSqlSafe(write)).await?;
        if database.health().is_full() {
            // While the disk counts as full, no operation may try it, so it is tried here.
            Transactions::commit(&mut connection).await?;
            database.health().committed();
        } else {
            Transactions::rollback(&mut connection).await?;
        }
        connection.in_doubt(false);
        Ok(())
    };
    // A longer wait is for another process that writes, which counts as writable.
    timeout(limit, ask).await.unwrap_or(Ok(()))
}
