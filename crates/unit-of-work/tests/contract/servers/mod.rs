//! A list of servers: operations run on the primary, wherever it stands in the list, and find it again after a failover.

mod failover;
mod finding;
mod starting;

use daybook_test_harness::{Cluster, TestDatabase};
use sea_orm::{ConnectionTrait, DbErr};
use unit_of_work::{Database, DatabaseOptions, UnitOfWork};

use crate::stage::{PATIENCE, Stage, statement};

/// A stage on a cluster's database, by a list of its servers in this order.
async fn stage(cluster: &Cluster, order: &[usize]) -> Stage {
    let test = cluster.database().await;
    let url = cluster.url(&test, order);
    at(cluster, test, &url).await
}

async fn at(cluster: &Cluster, test: TestDatabase, url: &str) -> Stage {
    let stage = Stage::at(test, url, DatabaseOptions::default(), |extension| {
        extension.deadline(PATIENCE)
    })
    .await;
    stage.assert_whole().await;
    cluster.caught_up(&stage.test, 1).await;
    stage
}

/// Whether the server that queries are sent to is a standby.
async fn reads_a_standby(database: &Database) -> bool {
    let read = database.read(async |unit| is_standby(&unit).await).await;
    read.expect("is read")
}

async fn is_standby(unit: &UnitOfWork) -> Result<bool, DbErr> {
    let row = unit
        .query_one_raw(statement(unit, "SELECT pg_is_in_recovery()"))
        .await?;
    row.expect("a row").try_get_by_index(0)
}
