//! Checks whether MariaDB accepts writes now.

use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::{Executor as _, MySql, Row as _};

use super::session::READ_ONLY;
use crate::{
    Database,
    database::{engine::writable, pool::Pool},
};

pub(super) async fn check(
    pool: &Pool<MySql>,
    database: &Database,
    limit: Duration,
) -> Result<(), sqlx::Error> {
    writable::check(
        pool,
        database,
        limit,
        |connection| {
            async {
                let sql = match &connection.peer().node {
                    None => "SELECT @@read_only",
                    // A node without its cluster answers what it can without a table.
                    Some(_) => "SELECT @@read_only, MAX(commits) FROM unit_of_work_writer",
                };
                let row = connection.fetch_one(sql).await?;
                // By the text protocol, so the value is text.
                Ok(row.try_get_unchecked::<String, _>(0)? == "0")
            }
            .boxed()
        },
        READ_ONLY,
    )
    .await
}
