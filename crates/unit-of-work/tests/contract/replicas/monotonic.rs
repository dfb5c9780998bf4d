//! What was seen once is seen from then on, whichever server is read.

use async_graphql::Request;
use daybook_test_harness::eventually;
use tokio::time::timeout;
use unit_of_work::DatabaseOptions;

use super::{LOOK, Looked, SHORT, Scene, first_look, shown, token};
use crate::stage::{PATIENCE, ended};

/// Two replicas of different ages: whoever has read from the newer one does not read from the older one any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_over_replicas_of_different_ages_do_not_go_back() {
    let scene = Scene::new(2, PATIENCE).await;
    let mut token = scene.mark("m0").await;
    scene.all_caught_up().await;
    let mut seen = 1;
    for round in 1..=6_i64 {
        let (old, new) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        scene.cluster.pause(old).await;
        // Somebody else writes: the reader's token does not ask for it.
        scene.mark(&format!("m{round}")).await;
        scene.cluster.caught_up(&scene.test, new).await;
        let before = scene.look(token).await;
        let after = scene.look(before.token).await;
        let last = scene.look(after.token).await;
        let counts = [seen, before.marks, after.marks, last.marks];
        assert!(counts.is_sorted(), "{counts:?}");
        // One of two in turn is the newer one.
        assert_eq!(last.marks, round + 1);
        assert_eq!(last.port, scene.port(new));
        (seen, token) = (last.marks, last.token);
        scene.cluster.resume(old).await;
        scene.all_caught_up().await;
    }
}

/// What was read on the primary is not missing on a replica that lags behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_on_the_primary_is_seen_on_replicas() {
    let scene = Scene::new(1, PATIENCE).await;
    scene.cluster.pause(1).await;
    scene.mark("a").await;
    let looked = Looked::of(&scene.send(first_look()).await);
    assert_eq!((looked.marks, looked.port), (1, scene.port(0)));
    let mut looking = scene.start_looking(looked.token);
    let too_soon = timeout(SHORT, &mut looking).await;
    assert!(too_soon.is_err(), "{too_soon:?}");
    // It waits for the next record where the log of the primary ends behind the header of a page.
    scene.mark("b").await;
    scene.cluster.resume(1).await;
    let looked = Looked::of(&ended(looking).await);
    assert_eq!(looked.port, scene.port(1));
    assert!(looked.marks >= 1, "{looked:?}");
}

/// A COMMIT waits for a synchronous standby, and a replica shows already what it has written. The primary does not show that yet: whoever
/// has seen it waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_on_a_replica_is_seen_on_the_primary() {
    // A connection for the one that waits, and one for the other.
    let mut options = DatabaseOptions::default();
    options.max_connections = 4;
    let scene = Scene::with(options, (1, PATIENCE)).await;
    let before = scene.mark("a").await;
    scene.all_caught_up().await;
    let observer = scene.observer().await;
    observer
        .execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .await;
    observer.execute("SELECT pg_reload_conf()").await;
    eventually("COMMIT waits for a standby", async || {
        let shown = "SHOW synchronous_standby_names";
        scene.observer().await.text(shown).await == "nobody"
    })
    .await;
    let commits = scene.start("mutation { mark(name: \"b\") }");
    let seen = std::sync::Mutex::new(before);
    eventually("the replica shows it", async || {
        let token = *crate::stage::lock(&seen);
        let looked = scene.look(token).await;
        *crate::stage::lock(&seen) = looked.token;
        looked.marks == 2
    })
    .await;
    let token = *crate::stage::lock(&seen);
    scene.cluster.crash(1).await;
    let mut looking = scene.start_looking(token);
    let too_soon = timeout(10 * SHORT, &mut looking).await;
    assert!(too_soon.is_err(), "{too_soon:?}");
    assert!(!commits.is_finished());
    // Who has not seen it does not wait.
    for request in [Request::new(LOOK), first_look()] {
        let looked = shown(&scene.send(request).await);
        assert_eq!(looked, (1, scene.port(0)));
    }
    observer
        .execute("ALTER SYSTEM RESET synchronous_standby_names")
        .await;
    observer.execute("SELECT pg_reload_conf()").await;
    let looked = Looked::of(&ended(looking).await);
    assert_eq!((looked.marks, looked.port), (2, scene.port(0)));
    let committed = ended(commits).await;
    assert!(committed.is_ok(), "{committed:?}");
    assert!(self::token(&committed) > before);
}

/// A long transaction on the primary keeps nobody waiting between its statements: only what may be a COMMIT is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_transaction_on_the_primary_is_not_waited_for() {
    let scene = Scene::new(1, SHORT).await;
    let token = scene.mark("a").await;
    let other = scene.observer().await;
    other.execute("BEGIN").await;
    other.execute("UPDATE counter SET value = value + 1").await;
    scene.cluster.crash(1).await;
    let looked = scene.look(token).await;
    assert_eq!((looked.marks, looked.port), (1, scene.port(0)));
}
