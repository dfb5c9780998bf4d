//! Reads on replicas: a query that shows a token is never older than what the token stands for, whichever server it is read from.

mod failover;
mod monotonic;
mod reading;
mod staleness;
mod starting;
mod tokens;
mod told;
mod without_a_token;

use std::time::Duration;

use async_graphql::{Request, Response, Value};
use daybook_test_harness::{Cluster, TestDatabase, eventually};
use sea_orm::DbBackend;
use tokio::time::timeout;
use unit_of_work::{ConsistencyToken, DatabaseOptions, marker};

use crate::stage::{PATIENCE, Stage, data};

/// How many marks there are, and which server says so.
const LOOK: &str = "{ marks setting(name: \"port\") }";

/// For a test in which no replica may be waited for for long.
pub const SHORT: Duration = Duration::from_millis(50);

/// A cluster, and a stage on it: server 0 is the primary, and all others are replicas.
pub struct Scene {
    pub cluster: Cluster,
    pub stage: Stage,
    replicas: usize,
}

impl std::ops::Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// The URL of the database on one of the servers, as options.
fn replica(cluster: &Cluster, test: &TestDatabase, number: usize) -> unit_of_work::DriverOptions {
    let url = cluster.database_on(test, number).url().to_owned();
    url.parse().expect("is a URL")
}

impl Scene {
    pub async fn new(replicas: usize, wait: Duration) -> Self {
        Self::with(DatabaseOptions::default(), (replicas, wait)).await
    }

    pub async fn with(options: DatabaseOptions, (replicas, wait): (usize, Duration)) -> Self {
        let cluster = Cluster::start(replicas).await;
        let test = cluster.database().await;
        let url = test.url().to_owned();
        Self::at(cluster, test, &url, options, (replicas, wait)).await
    }

    pub async fn at(
        cluster: Cluster,
        test: TestDatabase,
        url: &str,
        options: DatabaseOptions,
        (replicas, wait): (usize, Duration),
    ) -> Self {
        let markers = marker::create_table(DbBackend::Postgres);
        test.observer().await.execute(&markers).await;
        let named = (1..=replicas).map(|number| replica(&cluster, &test, number));
        let options = options.replicas(named).replica_wait(wait);
        let stage = Stage::at(test, url, options, |it| it.deadline(PATIENCE)).await;
        let scene = Self {
            cluster,
            stage,
            replicas,
        };
        scene.all_caught_up().await;
        scene
    }

    /// All replicas have what the primary has.
    pub async fn all_caught_up(&self) {
        for number in 1..=self.replicas {
            self.cluster.caught_up(&self.stage.test, number).await;
        }
    }

    /// The `port` of a server.
    pub fn port(&self, number: usize) -> String {
        let url = self.cluster.server(number).url();
        let port = url.rsplit([':', '/']).nth(1);
        port.expect("a URL with a port").to_owned()
    }

    async fn send(&self, request: Request) -> Response {
        timeout(PATIENCE, self.schema.execute(request))
            .await
            .expect("answers")
    }

    /// Adds a mark, and answers the token of that.
    async fn mark(&self, name: &str) -> ConsistencyToken {
        let request = Request::new(format!("mutation {{ mark(name: \"{name}\") }}"));
        let response = self.send(request).await;
        assert!(response.is_ok(), "{response:?}");
        token(&response)
    }

    async fn look(&self, token: ConsistencyToken) -> Looked {
        Looked::of(&self.send(Request::new(LOOK).data(token)).await)
    }

    /// Looks until a replica is read. The first look at one may take longer than queries wait: it has no connection yet.
    async fn reads_on(&self, token: ConsistencyToken, number: usize) {
        let marks = self.marks().await.len();
        eventually("the replica is read", async || {
            let looked = self.look(token).await;
            assert_eq!(looked.marks, i64::try_from(marks).expect("few"));
            looked.port == self.port(number)
        })
        .await;
    }

    /// Looks in a task of its own.
    fn start_looking(&self, token: ConsistencyToken) -> tokio::task::JoinHandle<Response> {
        let (schema, request) = (self.schema.clone(), Request::new(LOOK).data(token));
        tokio::spawn(async move { schema.execute(request).await })
    }
}

/// A look of a client that has no token yet, and wants one.
fn first_look() -> Request {
    Request::new(LOOK).data(ConsistencyToken::FIRST)
}

/// What a look has shown that was told no token.
fn looked_untold(response: &Response) -> (i64, String) {
    assert!(!has_token(response), "{response:?}");
    shown(response)
}

/// How many marks there are, and the port of the server that says so.
fn shown(response: &Response) -> (i64, String) {
    assert!(response.is_ok(), "{response:?}");
    let data = data(response);
    let port = data["setting"].as_str().expect("a text").to_owned();
    (data["marks"].as_i64().expect("a number"), port)
}

/// What a look has shown.
#[derive(Debug)]
struct Looked {
    marks: i64,
    port: String,
    token: ConsistencyToken,
}

impl Looked {
    fn of(response: &Response) -> Self {
        let (marks, port) = shown(response);
        Self {
            marks,
            port,
            token: token(response),
        }
    }
}

/// The token of a response, which is the same in its extensions and in its headers.
pub fn token(response: &Response) -> ConsistencyToken {
    let Some(Value::String(text)) = response.extensions.get("consistency") else {
        panic!("no token: {response:?}");
    };
    let header = response.http_headers.get("x-consistency");
    let header = header.and_then(|header| header.to_str().ok());
    assert_eq!(header, Some(text.as_str()));
    text.parse().expect("is a token")
}

fn has_token(response: &Response) -> bool {
    let has = response.extensions.contains_key("consistency");
    assert_eq!(has, response.http_headers.contains_key("x-consistency"));
    has
}
