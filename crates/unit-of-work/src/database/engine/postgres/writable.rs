//! Checks whether PostgreSQL accepts writes now.

use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::{Executor as _, Postgres, Row as _};

use crate::{
    Database,
    database::{engine::writable, pool::Pool},
};

const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

pub(super) async fn check(
    pool: &Pool<Postgres>,
    database: &Database,
    limit: Duration,
) -> Result<(), sqlx::Error> {
    let refused = "the server is a standby, or is read-only";
    writable::check(
        pool,
        database,
        limit,
        |connection| {
            async {
                let row = connection.fetch_one(TAKES_WRITES).await?;
                // By the simple protocol, so the value is text.
                Ok(row.try_get_unchecked::<String, _>(0)? == "t")
            }
            .boxed()
        },
        refused,
    )
    .await
}
