//! Whether an SQLite file takes writes now.

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
        // Where the file is read-only, SQLite has begun to read: only a write finds out.
        let row = connection.fetch_one("PRAGMA user_version").await?;
        let version: i64 = row.try_get(0)?;
        let write = format!("PRAGMA user_version = {version}");
        connection.execute(AssertSqlSafe(write)).await?;
        if database.health().is_full() {
            // Nobody may come to find room while it is said that there is none.
            Transactions::commit(&mut connection).await?;
            database.health().committed();
        } else {
            Transactions::rollback(&mut connection).await?;
        }
        connection.in_doubt(false);
        Ok(())
    };
    // Who waits so long waits for another process that writes.
    timeout(limit, ask).await.unwrap_or(Ok(()))
}
