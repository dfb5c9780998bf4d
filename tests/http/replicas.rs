//! The real binary reads on replicas, and its clients have their tokens on every transport.

use daybook_test_harness::{Cluster, TestDatabase, WireProxy, eventually};
use reqwest::header;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{
    PATIENCE,
    binary::{Running, run, stderr},
    sockets::{PROTOCOL, Socket},
};

const ACCOUNTS: &str = "{ accounts(first: 10) { edges { node { code } } } }";

fn open(code: &str) -> String {
    format!(
        r#"mutation {{ openAccount(input: {{ code: "{code}", name: "A", currency: "EUR", normalSide: DEBIT }}) {{ account {{ id }} }} }}"#
    )
}

/// A server of Daybook with one replica, which it reaches through a proxy.
struct Scene {
    cluster: Cluster,
    test: TestDatabase,
    replica: WireProxy,
    daybook: Running,
}

/// An answer's body, and its token.
struct Answer {
    body: Json,
    token: String,
}

impl Scene {
    async fn new(wait: &str) -> Self {
        let cluster = Cluster::start(1).await;
        let test = cluster.database().await;
        let replica = cluster.database_on(&test, 1).proxy().await;
        let daybook = Running::start(&[
            "--listen",
            "127.0.0.1:0",
            "--database",
            test.url(),
            "--replica",
            replica.url(),
            "--replica-wait",
            wait,
            "--allow-origin",
            "https://app.example",
        ]);
        cluster.caught_up(&test, 1).await;
        Self {
            cluster,
            test,
            replica,
            daybook,
        }
    }

    async fn post(&self, body: &Json, headers: &[(&str, &str)]) -> reqwest::Response {
        let client = reqwest::Client::new();
        let mut request = client
            .post(format!("{}/graphql", self.daybook.base()))
            .header(header::ACCEPT, "application/json")
            .header(header::ORIGIN, "https://app.example")
            .json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        timeout(PATIENCE, request.send()).await.unwrap().unwrap()
    }

    async fn send(&self, query: &str, token: Option<&str>) -> Answer {
        let shown = token.map(|token| ("x-consistency", token));
        let response = self
            .post(&json!({ "query": query }), shown.as_slice())
            .await;
        let tokens: Vec<_> = response.headers().get_all("x-consistency").iter().collect();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        let token = tokens[0].to_str().unwrap().to_owned();
        let exposed = &response.headers()["access-control-expose-headers"];
        assert!(exposed.to_str().unwrap().contains("x-consistency"));
        let body: Json = response.json().await.unwrap();
        assert_eq!(body["extensions"]["consistency"], token, "{body}");
        assert_eq!(body.get("errors"), None, "{body}");
        Answer { body, token }
    }

    /// A value of the replica's own metrics.
    async fn metric(&self, name: &str) -> Option<f64> {
        let metrics = reqwest::get(format!("{}/metrics", self.daybook.base())).await;
        let metrics = metrics.unwrap().text().await.unwrap();
        let of_replica = format!("{name}{{replica=");
        let line = metrics.lines().find(|line| line.starts_with(&of_replica))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Whether the replica was asked for accounts.
    fn was_read(&self) -> bool {
        let log = self.replica.log();
        self.replica.clear_log();
        log.iter().any(|sql| sql.contains("FROM \"account\""))
    }
}

fn codes(body: &Json) -> Vec<&str> {
    let edges = body["data"]["accounts"]["edges"].as_array();
    let edges = edges.into_iter().flatten();
    edges
        .filter_map(|edge| edge["node"]["code"].as_str())
        .collect()
}

/// What was written is read on the replica, which lags behind, and the tokens travel in headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_write_is_read_on_the_replica() {
    let scene = Scene::new("20s").await;
    scene.cluster.pause(1).await;
    let opened = scene.send(&open("a"), None).await;
    scene.replica.clear_log();
    let (read, ()) = tokio::join!(scene.send(ACCOUNTS, Some(&opened.token)), async {
        scene.cluster.resume(1).await;
    });
    assert_eq!(codes(&read.body), ["a"]);
    assert!(read.token >= opened.token);
    assert!(scene.was_read());
    // Without a token it is the primary that is read, and who has none yet is told the first one there.
    let read = scene.send(ACCOUNTS, Some("0")).await;
    assert_eq!(codes(&read.body), ["a"]);
    assert!(!scene.was_read());
    let untold = scene.post(&json!({ "query": ACCOUNTS }), &[]).await;
    assert!(!untold.headers().contains_key("x-consistency"));
    let untold: Json = untold.json().await.unwrap();
    assert_eq!(codes(&untold), ["a"]);
    assert_eq!(untold["extensions"]["consistency"], Json::Null);
    assert!(!scene.was_read());
}

/// A replica that lags behind for longer is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_write_is_read_on_the_primary_where_the_replica_is_late() {
    let scene = Scene::new("50ms").await;
    scene.cluster.pause(1).await;
    let opened = scene.send(&open("a"), None).await;
    let read = scene.send(ACCOUNTS, Some(&opened.token)).await;
    assert_eq!(codes(&read.body), ["a"]);
    assert!(!scene.was_read());
}

/// Each operation of a batch and of a socket has its token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_sockets_have_tokens() {
    let scene = Scene::new("20s").await;
    let batch = json!([{ "query": open("a") }, { "query": open("b") }]);
    let response = scene.post(&batch, &[]).await;
    let tokens: Vec<_> = response.headers().get_all("x-consistency").iter().collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    let newest = tokens[0].to_str().unwrap().to_owned();
    let body: Json = response.json().await.unwrap();
    let own = [0, 1].map(|at| body[at]["extensions"]["consistency"].as_str().unwrap());
    assert!(own[0] < own[1], "{own:?}");
    assert_eq!(own[1], newest);

    let address = scene
        .daybook
        .base()
        .trim_start_matches("http://")
        .to_owned();
    let refused = Socket::try_connect_to(&address, &[PROTOCOL, ("x-consistency", &newest)]).await;
    assert!(refused.is_err());
    let mut socket = Socket::try_connect_to(&address, &[PROTOCOL]).await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    scene.replica.clear_log();
    let query = json!({ "query": ACCOUNTS, "extensions": { "consistency": newest } });
    socket.subscribe_with("1", &query).await;
    let answer = socket.next().await["payload"].take();
    assert_eq!(codes(&answer), ["a", "b"], "{answer}");
    assert!(answer["extensions"]["consistency"].as_str().unwrap() >= newest.as_str());
    assert!(scene.was_read());
}

/// What is no token is refused before anything runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_that_is_no_token_is_refused() {
    let scene = Scene::new("50ms").await;
    let long = "0".repeat(200);
    for (headers, code) in [
        (&[("x-consistency", "")][..], "CONSISTENCY_TOKEN_INVALID"),
        (&[("x-consistency", "latest")], "CONSISTENCY_TOKEN_INVALID"),
        (&[("x-consistency", "00")], "CONSISTENCY_TOKEN_INVALID"),
        (&[("x-consistency", &long)], "CONSISTENCY_TOKEN_INVALID"),
        (
            &[(
                "x-consistency",
                "00000001.0000000000000001.0000000000000001",
            )],
            "CONSISTENCY_TOKEN_INVALID",
        ),
        (&[("x-consistancy", "latest")], "BAD_REQUEST"),
        (&[("consistency", "latest")], "BAD_REQUEST"),
        (
            &[("x-consistency", "a"), ("x-consistency", "a")],
            "BAD_REQUEST",
        ),
    ] {
        let response = scene.post(&json!({ "query": open("a") }), headers).await;
        let body: Json = response.json().await.unwrap();
        assert_eq!(
            body["errors"][0]["extensions"]["code"], code,
            "{headers:?}: {body}"
        );
    }
    let observer = scene.test.observer().await;
    assert_eq!(observer.i64("SELECT count(*) FROM account").await, 0);
}

/// Settings that make no sense do not start a server, and no password is shown.
#[test]
fn replicas_that_are_none_are_refused() {
    for (replica, said) in [
        ("sqlite://ledger.db", "only its standbys are used"),
        ("mysql://ann:hunter2@db/x", "postgres://"),
        ("postgres://ann:hunter2@db:notaport/x", "postgres://USER"),
    ] {
        let output = run(
            &["--database", "postgres://db/x", "--replica", replica],
            &[],
        );
        let said_it = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said_it}");
        assert!(
            said_it.contains("--replica is wrong") && said_it.contains(said),
            "{said_it}"
        );
        assert!(!said_it.contains("hunter2"), "{said_it}");
    }
    let replica = &["--replica", "postgres://ann:hunter2@127.0.0.1/x"];
    let output = run(replica, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("SQLite has none"),
        "{}",
        stderr(&output)
    );
}

/// The metrics say how far the replica is behind, and whether it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_how_far_the_replica_is_behind() {
    let scene = Scene::new("50ms").await;
    let behind = async |scene: &Scene| scene.metric("unit_of_work_replica_behind_seconds").await;
    eventually("it follows", async || {
        behind(&scene).await.is_some_and(|behind| behind < 2.5)
    })
    .await;
    assert_eq!(scene.metric("unit_of_work_replica_up").await, Some(1.0));
    scene.cluster.pause(1).await;
    scene.send(&open("a"), None).await;
    eventually("it is behind", async || {
        behind(&scene).await.is_some_and(|behind| behind > 3.0)
    })
    .await;
    scene.cluster.resume(1).await;
    eventually("it has caught up", async || {
        behind(&scene).await.is_some_and(|behind| behind < 2.5)
    })
    .await;
    scene.cluster.crash(1).await;
    eventually("it is away, and falls behind", async || {
        let is_away = scene.metric("unit_of_work_replica_up").await == Some(0.0);
        is_away && behind(&scene).await.is_some_and(|behind| behind > 3.0)
    })
    .await;
    scene.send(ACCOUNTS, Some("0")).await;
}
