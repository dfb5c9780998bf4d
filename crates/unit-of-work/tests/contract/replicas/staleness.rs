//! Queries without a token on replicas that are a little behind.

use std::time::{Duration, Instant};

use async_graphql::Request;
use daybook_test_harness::eventually;
use unit_of_work::{ConsistencyToken, Database, DatabaseOptions, MaxStaleness, Viewer};

use super::{LOOK, Looked, SHORT, Scene, looked_untold};
use crate::stage::PATIENCE;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn look(viewer: &str) -> Request {
    Request::new(LOOK).data(Viewer(viewer.to_owned()))
}

async fn scene(max_staleness: Duration) -> Scene {
    let options = DatabaseOptions::default().max_staleness(max_staleness);
    let scene = Scene::with(options, (1, SHORT)).await;
    scene.reads_without_a_token().await;
    scene
}

impl Scene {
    /// The replica is read: the primary was asked where it is, and there is a connection.
    async fn reads_without_a_token(&self) {
        eventually("the replica is read", async || {
            let (_, port) = looked_untold(&self.send(look("reader")).await);
            port == self.port(1)
        })
        .await;
    }

    async fn mark_as(&self, viewer: &str, name: &str) {
        let query = format!("mutation {{ mark(name: \"{name}\") }}");
        let request = Request::new(query).data(Viewer(viewer.to_owned()));
        let response = self.send(request).await;
        assert!(response.is_ok(), "{response:?}");
    }
}

/// Others may be read a little late. One's own writes are read, whatever the replica has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_is_read_within_its_staleness_and_own_writes_are_seen() {
    let scene = scene(LONG).await;
    scene.cluster.pause(1).await;
    scene.mark_as("writer", "a").await;
    let others = looked_untold(&scene.send(look("reader")).await);
    assert_eq!(others, (0, scene.port(1)));
    let own = looked_untold(&scene.send(look("writer")).await);
    assert_eq!(own, (1, scene.port(0)));
    // Whoever wants a first token is read as late as the others, and is told what it has seen.
    let first = look("reader").data(ConsistencyToken::FIRST);
    let first = Looked::of(&scene.send(first).await);
    assert_eq!((first.marks, first.port), (0, scene.port(1)));
    // Whoever wants nothing old gets nothing old.
    let now = look("reader")
        .data(MaxStaleness(Duration::ZERO))
        .data(ConsistencyToken::FIRST);
    let now = Looked::of(&scene.send(now).await);
    assert!(first.token < now.token);
    assert_eq!((now.marks, now.port), (1, scene.port(0)));
    // A token asks for what it stands for.
    let token = look("reader").data(now.token);
    let seen = Looked::of(&scene.send(token).await);
    assert_eq!((seen.marks, seen.port), (1, scene.port(0)));
    scene.cluster.resume(1).await;
    eventually("the writer reads on the replica", async || {
        let (marks, port) = looked_untold(&scene.send(look("writer")).await);
        assert_eq!(marks, 1);
        port == scene.port(1)
    })
    .await;
}

/// Once the time is up, a replica that lags behind is not read any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_is_not_read_beyond_its_staleness() {
    const LIMIT: Duration = Duration::from_secs(2);
    let scene = scene(LIMIT).await;
    scene.cluster.pause(1).await;
    scene.mark_as("writer", "a").await;
    let written = Instant::now();
    eventually("the primary is read", async || {
        let asked = Instant::now();
        let (marks, port) = looked_untold(&scene.send(look("reader")).await);
        if port == scene.port(1) {
            assert_eq!(marks, 0);
            let late = asked.duration_since(written);
            assert!(late < LIMIT, "it is {late:?} old");
            return false;
        }
        assert_eq!(marks, 1);
        true
    })
    .await;
}

/// By itself, a server reads what shows no token on the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staleness_is_nobody_s_unless_it_is_asked_for() {
    let scene = Scene::new(1, PATIENCE).await;
    let token = scene.mark("a").await;
    scene.reads_on(token, 1).await;
    for _ in 0..3 {
        assert_eq!(
            looked_untold(&scene.send(look("reader")).await),
            (1, scene.port(0))
        );
    }
    eventually("a request asks for it", async || {
        let request = look("reader").data(MaxStaleness(LONG));
        let (marks, port) = looked_untold(&scene.send(request).await);
        assert_eq!(marks, 1);
        port == scene.port(1)
    })
    .await;
    // Without replicas it makes no difference.
    let database = Database::connect(scene.test.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    let schema = crate::stage::schema(&database, &scene.cue, |it| it);
    let response = schema
        .execute(look("reader").data(MaxStaleness(LONG)))
        .await;
    assert_eq!(crate::stage::data(&response)["setting"], scene.port(0));
}
