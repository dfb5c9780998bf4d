//! All nodes are read, and each query sees what was committed before it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_graphql::{Executor, Request};
use daybook_test_harness::galera::cluster;
use sea_orm::{ConnectionTrait, Statement};
use unit_of_work::{Access, DatabaseOptions};

use super::{empty, stage};
use crate::stage::{PATIENCE, Stage, codes, data};

/// Each node has readers, and none of them is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_see_what_was_committed_before() {
    let cluster = cluster().await;
    let name = empty(&cluster).await;
    let nodes = Arc::new(Mutex::new(HashSet::new()));
    let told = Arc::clone(&nodes);
    let options = DatabaseOptions::default()
        .max_connections(6)
        .after_connect(move |connection| {
            let told = Arc::clone(&told);
            Box::pin(async move {
                let question = Statement::from_string(
                    connection.get_database_backend(),
                    "SELECT @@wsrep_node_name",
                );
                let row = connection.query_one_raw(question).await?.expect("a row");
                let node: String = row.try_get_by_index(0)?;
                let mut told = told.lock().expect("no call has panicked");
                told.insert((connection.access() == Access::ReadWrite, node));
                Ok(())
            })
        });
    let url = cluster.list(&[0, 1, 2], &name);
    let test = cluster.database_on(0, &name);
    let stage = Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
    for number in 1..=40 {
        let query = format!("mutation {{ mark(name: \"{number}\") }}");
        let marked = stage.run(&query).await;
        assert!(marked.is_ok(), "{marked:?}");
        let reads: Vec<_> = (0..6)
            .map(|_| {
                let schema = stage.schema.clone();
                tokio::spawn(async move { schema.execute(Request::new("{ marks }")).await })
            })
            .collect();
        for read in reads {
            let read = read.await.expect("ends");
            assert_eq!(data(&read), serde_json::json!({ "marks": number }));
        }
    }
    let nodes = nodes.lock().expect("no call has panicked").clone();
    let of = |writes| {
        let mut nodes: Vec<_> = nodes
            .iter()
            .filter(|(is_writer, _)| *is_writer == writes)
            .map(|(_, node)| node.as_str())
            .collect();
        nodes.sort_unstable();
        nodes
    };
    assert_eq!(of(false), ["n1", "n2", "n3"]);
    // The hook may write, so it has no other.
    assert_eq!(of(true), ["n1"]);
}

/// What a snapshot waits for, and what a COMMIT is certified by, is not the operation's to choose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_cluster_are_not_changed() {
    let (_cluster, _, stage) = stage(&[0, 1, 2]).await;
    for sql in ["SET wsrep_on = 0", "SET SESSION wsrep_sync_wait = 0"] {
        let query = format!("mutation {{ mark(name: \"a\") raw(sql: \"{sql}\") }}");
        let response = stage.run(&query).await;
        assert_eq!(codes(&response), ["INTERNAL"], "{sql}: {response:?}");
    }
    assert_eq!(stage.marks().await, Vec::<String>::new());
    stage.assert_whole().await;
}

/// A node that was lost is not read, and is read again when it has joined the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_without_its_cluster_is_not_read() {
    let (mut cluster, _, stage) = stage(&[0, 1, 2]).await;
    stage.assert_whole().await;
    cluster.cut_off(2).await;
    let marked = stage.run("mutation { mark(name: \"a\") }").await;
    assert!(marked.is_ok(), "{marked:?}");
    let retrying = stage.retrying(20);
    for _ in 0..6 {
        let read = retrying.execute(Request::new("{ marks }")).await;
        assert_eq!(data(&read), serde_json::json!({ "marks": 1 }), "{read:?}");
    }
    cluster.heal().await;
    let read = retrying.execute(Request::new("{ marks }")).await;
    assert_eq!(data(&read), serde_json::json!({ "marks": 1 }));
}
