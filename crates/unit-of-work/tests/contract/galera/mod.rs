//! A Galera cluster of three nodes: one writes, all are read. `writing` has which one writes, `reading` what readers see, `starting` what a
//! cluster must be, `failing` nodes that are lost, `lost` COMMITs that are not answered, and `load` all of that under load.

mod failing;
mod load;
mod lost;
mod reading;
mod starting;
mod writing;

use std::time::Duration;

use async_graphql::{Executor, Request, Response};
use daybook_test_harness::galera::{Galera, cluster};
use sea_orm::DbBackend;
use unit_of_work::{DatabaseOptions, OperationDeadline, galera, marker};

use crate::stage::{PATIENCE, Stage};

/// A stage on a cluster, by a list of nodes in this order, with the tables of the crate.
async fn stage(order: &[usize]) -> (Galera, String, Stage) {
    let cluster = cluster().await;
    let name = empty(&cluster).await;
    let url = cluster.list(order, &name);
    let stage = at(&cluster, &name, &url).await;
    (cluster, name, stage)
}

/// A database with the tables of the crate.
async fn empty(cluster: &Galera) -> String {
    let name = cluster.database().await;
    let observer = cluster.observer(0, &name).await;
    for sql in galera::create_table() {
        observer.execute(&sql).await;
    }
    observer
        .execute(&marker::create_table(DbBackend::MySql))
        .await;
    name
}

/// A stage on a database of a cluster. What is looked at from outside is looked at on node 0.
async fn at(cluster: &Galera, name: &str, url: &str) -> Stage {
    let test = cluster.database_on(0, name);
    let options = DatabaseOptions::default().connect_timeout(PATIENCE);
    Stage::at(test, url, options, |extension| extension.deadline(PATIENCE)).await
}

/// Which node writes, and in which epoch.
async fn writer(cluster: &Galera, name: &str, seen_on: usize) -> (Option<usize>, i64) {
    let observer = cluster.observer(seen_on, name).await;
    let told = "SELECT DISTINCT CONCAT(unit_of_work_epoch, ' ', address) FROM unit_of_work_writer";
    let told = observer.text(told).await;
    let (epoch, address) = told.split_once(' ').expect("an epoch and an address");
    let node = (0..3).find(|node| cluster.url(*node, name).contains(&format!("@{address}/")));
    (node, epoch.parse().expect("a number"))
}

/// Another server lets this node take over.
async fn take_over(cluster: &Galera, name: &str, node: usize) {
    let observer = cluster.observer(node, name).await;
    let taken = observer
        .execute(
            "UPDATE unit_of_work_writer SET unit_of_work_epoch = unit_of_work_epoch + 1, \
             node = (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_GCOMM_UUID'), \
             address = @@wsrep_node_incoming_address",
        )
        .await;
    assert_eq!(taken, 256);
}

/// An operation that waits for a database no longer than this.
async fn run_within(stage: &Stage, query: &str, limit: Duration) -> Response {
    let deadline = OperationDeadline(tokio::time::Instant::now() + limit);
    let request = Request::new(query).data(deadline);
    stage.retrying(20).execute(request).await
}
