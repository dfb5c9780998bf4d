//! Which server of a list a connection is made to.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use daybook_test_harness::{Cluster, eventually, list};
use sea_orm::{ConnectionTrait, Statement};
use unit_of_work::{Access, Database, DatabaseOptions};

use super::{at, reads_a_standby, stage};
use crate::stage::{Stage, data, insert_mark};

/// A query that read from the standby would be older than the mutation before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_run_on_the_primary_wherever_it_stands() {
    let cluster = Cluster::start(1).await;
    for order in [[0, 1], [1, 0]] {
        let stage = stage(&cluster, &order).await;
        cluster.pause(1).await;
        assert!(!reads_a_standby(&stage.database).await, "{order:?}");
        let marked = stage.run("mutation { mark(name: \"a\") }").await;
        assert!(marked.is_ok(), "{marked:?}");
        let read = stage.run("{ marks }").await;
        assert_eq!(data(&read), serde_json::json!({ "marks": 1 }), "{order:?}");
        cluster.resume(1).await;
    }
}

#[cfg(feature = "migration")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_run_on_the_primary_wherever_it_stands() {
    use crate::migrations::Migrator;

    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let url = cluster.url(&test, &[1, 0]);
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    database.migrate::<Migrator>().await.expect("migrates");
    let written = database
        .write(async |unit| insert_mark(&unit, "a").await)
        .await;
    written.expect("is written");
}

/// The hook may write to a connection that is for writing, so it gets none to a standby.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hook_for_writers_has_the_primary_alone() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let url = cluster.url(&test, &[1, 0]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let options = DatabaseOptions::default().after_connect(move |connection| {
        let told = Arc::clone(&told);
        Box::pin(async move {
            let question = Statement::from_string(
                connection.get_database_backend(),
                "SELECT pg_is_in_recovery()",
            );
            let row = connection.query_one_raw(question).await?.expect("a row");
            let is_standby: bool = row.try_get_by_index(0)?;
            let mut told = told.lock().expect("no call has panicked");
            told.push((connection.access(), is_standby));
            Ok(())
        })
    });
    let stage = Stage::at(test, &url, options, |it| it).await;
    stage.assert_whole().await;
    let seen = seen.lock().expect("no call has panicked").clone();
    assert!(seen.contains(&(Access::ReadWrite, false)), "{seen:?}");
    assert!(!seen.contains(&(Access::ReadWrite, true)), "{seen:?}");
}

/// A server that takes connections and says nothing costs neither the start nor an operation much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_server_keeps_nobody_waiting() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let silent = cluster.database_on(&test, 1).proxy().await;
    silent.blackhole();
    let primary = test.proxy().await;
    let url = list(&[silent.url(), primary.url()]);
    let started = Instant::now();
    let stage = at(&cluster, test, &url).await;
    primary.cut_all();
    stage.assert_whole().await;
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
}

/// Whoever only reads reads from the first server that answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_database_reads_from_the_first_that_answers() {
    let cluster = Cluster::start(1).await;
    let stage = stage(&cluster, &[0, 1]).await;
    let url = cluster.url(&stage.test, &[1, 0]);
    let database = Database::connect(&url, DatabaseOptions::default().read_only(true))
        .await
        .expect("connects");
    assert!(reads_a_standby(&database).await);
    cluster.crash(1).await;
    assert!(!reads_a_standby(&database).await);
}

/// The order to stop a statement goes to the server that runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_is_stopped_on_its_own_server() {
    const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'";
    let cluster = Cluster::start(1).await;
    let stage = stage(&cluster, &[1, 0]).await;
    for query in ["{ endless }", "mutation { endless(escaped: false) }"] {
        let observer = stage.observer().await;
        let operation = stage.start(query);
        stage.cue.reached().await;
        eventually("it runs on the primary", async || {
            observer.i64(SLEEPS).await == 1
        })
        .await;
        operation.abort();
        eventually("it is stopped", async || observer.i64(SLEEPS).await == 0).await;
        stage.assert_whole().await;
    }
}

/// After a connection is lost, the standby is not asked again whether it is the primary, while the primary answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_that_is_known_is_asked_first() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let standby = cluster.database_on(&test, 1).proxy().await;
    let primary = test.proxy().await;
    let url = list(&[standby.url(), primary.url()]);
    let stage = at(&cluster, test, &url).await;
    standby.clear_log();
    primary.cut_all();
    stage.assert_whole().await;
    assert_eq!(standby.log(), Vec::<String>::new());
}
