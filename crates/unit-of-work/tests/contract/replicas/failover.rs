//! A standby takes over: what a token of before stands for may be gone.

use async_graphql::Request;
use daybook_test_harness::{Cluster, eventually};
use unit_of_work::DatabaseOptions;

use super::{LOOK, Looked, SHORT, Scene, token};
use crate::stage::{PATIENCE, codes};

/// Servers 0 and 1 are the list of the database, and 1 and 2 are its replicas.
async fn scene() -> Scene {
    let cluster = Cluster::start(2).await;
    let test = cluster.database().await;
    let url = cluster.url(&test, &[0, 1]);
    Scene::at(cluster, test, &url, DatabaseOptions::default(), (2, SHORT)).await
}

/// What was acknowledged and was not replicated is gone. Whoever has seen it is told so, and not shown something older.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_before_a_failover_is_lost_and_never_stale() {
    let mut scene = scene().await;
    scene.mark("kept").await;
    scene.all_caught_up().await;
    scene.cluster.pause(1).await;
    scene.cluster.pause(2).await;
    let token = scene.mark("lost").await;
    scene.cluster.crash(0).await;
    scene.cluster.resume(1).await;
    scene.cluster.promote(1).await;
    scene.stage.test = scene.cluster.database_on(&scene.stage.test, 1);
    let retrying = scene.retrying(20);
    for query in [LOOK, "mutation { mark(name: \"b\") }"] {
        use async_graphql::Executor as _;
        let response = retrying.execute(Request::new(query).data(token)).await;
        let codes = codes(&response);
        assert!(
            !codes.is_empty() && codes.iter().all(|code| code == "CONSISTENCY_LOST"),
            "{query}: {response:?}"
        );
    }
    // Who forgets the token goes on, with tokens of the new primary. Server 2 follows nobody, and is not read with them.
    let after = scene.mark("after").await;
    assert!(after > token || after.to_string() > token.to_string());
    let looked = scene.look(after).await;
    assert_eq!(looked.port, scene.port(1));
    assert!(scene.marks().await.contains(&"after".to_owned()));
    assert_eq!(
        looked.marks,
        i64::try_from(scene.marks().await.len()).expect("are few")
    );
}

/// While there is no primary, a standby does not say which one it follows. What its next snapshot would have seen, nobody could say later, also
/// on a connection that was proved to have what the token stands for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_does_not_say_its_timeline_is_not_read() {
    let scene = Scene::new(1, PATIENCE).await;
    let token = scene.mark("a").await;
    scene.all_caught_up().await;
    assert_eq!(scene.look(token).await.port, scene.port(1));
    scene.cluster.crash(0).await;
    let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
    let there = scene.cluster.database_on(&scene.test, 1).observer().await;
    eventually("the replica has noticed", async || {
        there.i64(receivers).await == 0
    })
    .await;
    let deadline = unit_of_work::OperationDeadline(tokio::time::Instant::now() + 20 * SHORT);
    let request = Request::new(LOOK).data(token).data(deadline);
    let response = scene.send(request).await;
    assert!(
        codes(&response).contains(&"DATABASE_UNAVAILABLE".to_owned()),
        "{response:?}"
    );
    scene.cluster.start_again(0).await;
    let looked = scene.look(token).await;
    assert_eq!(looked.marks, 1);
}

/// A standby that follows the new primary is read with its tokens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_follows_the_new_primary_is_read() {
    let mut scene = scene().await;
    scene.mark("a").await;
    scene.all_caught_up().await;
    scene.cluster.crash(0).await;
    scene.cluster.promote(1).await;
    let follow = format!(
        "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={} user=postgres'",
        scene.port(1)
    );
    let there = scene
        .cluster
        .database_on(&scene.stage.test, 2)
        .observer()
        .await;
    there.execute(&follow).await;
    there.execute("SELECT pg_reload_conf()").await;
    scene.stage.test = scene.cluster.database_on(&scene.stage.test, 1);
    let retrying = scene.retrying(20);
    let mutation = Request::new("mutation { mark(name: \"b\") }");
    let response = {
        use async_graphql::Executor as _;
        retrying.execute(mutation).await
    };
    assert!(response.is_ok(), "{response:?}");
    let token = token(&response);
    eventually("the other standby is read", async || {
        let looked = Looked::of(&scene.send(Request::new(LOOK).data(token)).await);
        assert_eq!(looked.marks, 2);
        looked.port == scene.port(2)
    })
    .await;
}
