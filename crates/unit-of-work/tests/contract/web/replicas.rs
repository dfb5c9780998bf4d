//! REST handlers on a database with replicas: they read and answer tokens as GraphQL operations do.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use daybook_test_harness::{Cluster, eventually};
use sea_orm::{DbBackend, IsolationLevel};
use tokio::{task::JoinHandle, time::timeout};
use unit_of_work::{
    ConsistencyToken, DatabaseOptions, IdempotencySettings, RetryPolicy, UnitTerms,
    idempotency::create_table, web::UnitOfWorkLayer,
};

use super::{Answer, answer, routes, with_key};
use crate::{
    replicas::{SHORT, Scene},
    stage::{PATIENCE, Stage},
};

/// A cluster, and the routes in a layer on its database.
struct Rest {
    scene: Scene,
    app: Router,
}

impl Rest {
    async fn new(wait: Duration) -> Self {
        Self::of(Scene::new(1, wait).await, |layer| layer)
    }

    fn of(scene: Scene, configure: impl FnOnce(UnitOfWorkLayer) -> UnitOfWorkLayer) -> Self {
        let layer = configure(UnitOfWorkLayer::new(scene.stage.database.clone()));
        let app = routes::router(&scene.stage.cue, &scene.stage.database).layer(layer);
        Self { scene, app }
    }

    fn start(&self, request: Request<Body>) -> JoinHandle<Answer> {
        tokio::spawn(answer(self.app.clone(), request))
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        ended(self.start(request)).await
    }

    /// Adds a mark, and answers the token of that.
    async fn mark(&self, name: &str) -> ConsistencyToken {
        let request = with(Method::POST, &format!("/mark/{name}"), &[]);
        let answer = self.send(request).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        assert!(!answer.headers.contains_key("vary"), "{:?}", answer.headers);
        token(&answer)
    }

    async fn look(&self, headers: &[(&str, &str)]) -> Looked {
        looked(&self.send(with(Method::GET, "/look", headers)).await)
    }

    /// Looks until the replica is read, with as many marks.
    async fn reads_on_the_replica(&self, marks: i64, headers: &[(&str, &str)]) {
        eventually("the replica is read", async || {
            let looked = self.look(headers).await;
            assert_eq!(looked.0, marks);
            looked.1 == self.scene.port(1)
        })
        .await;
    }
}

/// How many marks there are, and the port of the server that says so.
type Looked = (i64, String);

fn looked(answer: &Answer) -> Looked {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let (marks, port) = answer.body.split_once(' ').expect("has two parts");
    (marks.parse().expect("a number"), port.to_owned())
}

fn with(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("is a request")
}

async fn ended(running: JoinHandle<Answer>) -> Answer {
    let answer = timeout(PATIENCE, running).await.expect("ends");
    answer.expect("answers")
}

/// The token of a response.
fn token(answer: &Answer) -> ConsistencyToken {
    let mut tokens = answer.headers.get_all("x-consistency").iter();
    let token = tokens.next().expect("has a token");
    assert_eq!(tokens.next(), None);
    let token = token.to_str().expect("is text");
    token.parse().expect("is a token")
}

/// What a handler has written is read on the replica once that has it, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_reads_on_a_replica_what_its_token_stands_for() {
    let rest = Rest::new(PATIENCE).await;
    for marks in 1..=3 {
        rest.scene.cluster.pause(1).await;
        let written = rest.mark(&format!("m{marks}")).await;
        let shown = written.to_string();
        let look = with(Method::GET, "/look", &[("x-consistency", &shown)]);
        let mut looking = rest.start(look);
        let too_soon = timeout(SHORT, &mut looking).await;
        assert!(too_soon.is_err(), "it did not wait for the replica");
        rest.scene.cluster.resume(1).await;
        let answer = ended(looking).await;
        assert_eq!(looked(&answer), (marks, rest.scene.port(1)));
        assert!(token(&answer) >= written);
        // A cache keeps such a response apart from those with other tokens.
        assert_eq!(answer.headers["vary"], "x-consistency, x-max-staleness");
    }
    rest.scene.assert_whole().await;
}

/// The primary is read where no replica has it in time, by requests without a token, and by those that a standby cannot serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_is_read_on_the_primary_otherwise() {
    let mut rest = Rest::new(SHORT).await;
    rest.scene.cluster.pause(1).await;
    let shown = rest.mark("a").await.to_string();
    let shows = [("x-consistency", shown.as_str())];
    let primary = (1, rest.scene.port(0));
    assert_eq!(rest.look(&shows).await, primary);
    rest.scene.cluster.resume(1).await;
    rest.reads_on_the_replica(1, &shows).await;
    // Who shows no token is told none. Whoever wants a first one gets it.
    for (shows, is_told) in [(&[][..], false), (&[("x-consistency", "0")], true)] {
        let answer = rest.send(with(Method::GET, "/look", shows)).await;
        assert_eq!(looked(&answer), primary);
        assert_eq!(answer.headers.contains_key("x-consistency"), is_told);
        assert_eq!(answer.headers["vary"], "x-consistency, x-max-staleness");
    }
    let by_post = rest.send(with(Method::POST, "/look", &shows)).await;
    assert_eq!(looked(&by_post), primary);
    rest = Rest::of(rest.scene, |layer| {
        layer.terms(|_| Ok(UnitTerms::default().isolation(IsolationLevel::Serializable)))
    });
    assert_eq!(rest.look(&shows).await, primary);
    rest.scene.assert_whole().await;
}

/// Every response that rests on the database has a token, also where nothing was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_have_tokens() {
    let scene = Scene::new(1, PATIENCE).await;
    let table = create_table(DbBackend::Postgres);
    scene.observer().await.execute(&table).await;
    let rest = Rest::of(scene, |layer| {
        layer.idempotency(IdempotencySettings::default())
    });
    let first = rest.send(with_key("/mark/a", "key", "")).await;
    assert_eq!(first.status, StatusCode::CREATED);
    // What is replayed was written before.
    rest.scene.cluster.pause(1).await;
    let again = rest.send(with_key("/mark/a", "key", "")).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let replayed = token(&again);
    assert!(replayed >= token(&first));
    let shown = replayed.to_string();
    let looking = rest.start(with(Method::GET, "/look", &[("x-consistency", &shown)]));
    rest.scene.cluster.resume(1).await;
    assert_eq!(looked(&ended(looking).await).0, 1);
    for (path, status) in [
        ("/refuse/b", StatusCode::UNPROCESSABLE_ENTITY),
        ("/mark/a", StatusCode::CONFLICT),
        ("/rollback-only/b", StatusCode::CONFLICT),
        ("/panics/b", StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let answer = rest.send(with(Method::POST, path, &[])).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(token(&answer) > replayed, "{path}");
    }
    // Nothing was read.
    let shows = [("x-consistency", shown.as_str())];
    let untouched = rest.send(with(Method::GET, "/ping", &shows)).await;
    assert_eq!(
        (untouched.status, &*untouched.body),
        (StatusCode::OK, "pong")
    );
    assert!(!untouched.headers.contains_key("x-consistency"));
    assert!(!untouched.headers.contains_key("vary"));
    assert_eq!(rest.scene.marks().await, ["a"]);
    rest.scene.assert_whole().await;
}

/// The token of a COMMIT comes with its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_a_commit_costs_no_flight() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let proxy = test.proxy().await;
    let url = proxy.url().to_owned();
    let scene = Scene::at(cluster, test, &url, DatabaseOptions::default(), (1, SHORT)).await;
    let rest = Rest::of(scene, |layer| layer);
    rest.mark("a").await;
    let observer = rest.scene.observer().await;
    observer.execute("DELETE FROM mark").await;
    // The writer is warm: its one connection is there, and its statement is prepared.
    proxy.clear_log();
    rest.mark("a").await;
    let flights = proxy.flights();
    let insert = flights
        .iter()
        .find(|flight| flight.text.contains("INSERT INTO mark "));
    // The primary is asked where it is from time to time, by a connection of its own.
    let writer = insert.expect("was sent").connection;
    let own = flights.iter().filter(|flight| flight.connection == writer);
    let own: Vec<_> = own.map(|flight| flight.text.as_str()).collect();
    assert_eq!(own.len(), 3, "{flights:?}");
    for word in ["unit_of_work_marker", "COMMIT", "pg_current_wal_insert_lsn"] {
        assert!(own[2].contains(word), "{word}: {own:?}");
    }
    // Nobody else was asked for it.
    let begun = flights
        .iter()
        .filter(|flight| flight.text.contains("BEGIN"));
    assert_eq!(begun.count(), 1, "{flights:?}");
    rest.scene.assert_whole().await;
}

/// What the client relies on is refused where it cannot be had, whatever the handler makes of that, and nothing happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_a_request_is_read_strictly() {
    let rest = Rest::new(PATIENCE).await;
    let token = rest.mark("a").await.to_string();
    let (rest_of_it, system) = token.rsplit_once('.').expect("has parts");
    let other_system: String = system
        .chars()
        .map(|c| if c == '0' { '1' } else { '0' })
        .collect();
    let foreign = format!("{rest_of_it}.{other_system}");
    let requests = [
        (Method::GET, "/look"),
        (Method::GET, "/look-as/200"),
        (Method::GET, "/look-as/404"),
        (Method::POST, "/mark/b"),
        (Method::POST, "/swallow/b"),
        (Method::POST, "/look-as/404"),
    ];
    let cases: [&[&str]; 6] = [
        &["latest"],
        &["00"],
        &[""],
        &[&foreign],
        &[&token, &token],
        &["ä"],
    ];
    for (method, path) in requests {
        for case in cases {
            let headers: Vec<_> = case.iter().map(|token| ("x-consistency", *token)).collect();
            let answer = rest.send(with(method.clone(), path, &headers)).await;
            assert_eq!(
                (answer.status, &*answer.code()),
                (StatusCode::BAD_REQUEST, "CONSISTENCY_TOKEN_INVALID"),
                "{path} {case:?}"
            );
        }
        for case in [&["soon"] as &[&str], &["2d"], &["1s", "1s"], &[""]] {
            let headers: Vec<_> = case.iter().map(|time| ("x-max-staleness", *time)).collect();
            let answer = rest.send(with(method.clone(), path, &headers)).await;
            let code = (answer.status, &*answer.code());
            assert_eq!(
                code,
                (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
                "{path} {case:?}"
            );
        }
    }
    assert_eq!(rest.scene.marks().await, ["a"]);
    rest.scene.assert_whole().await;
}

/// A standby has taken over: what a token of before stands for may be gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_before_a_failover_is_a_condition_that_fails() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let url = cluster.url(&test, &[0, 1]);
    let scene = Scene::at(cluster, test, &url, DatabaseOptions::default(), (1, SHORT)).await;
    let policy = RetryPolicy::default().attempts(20);
    let mut rest = Rest::of(scene, |layer| layer.retry(policy));
    rest.mark("kept").await;
    rest.scene.all_caught_up().await;
    rest.scene.cluster.pause(1).await;
    let lost = rest.mark("lost").await.to_string();
    rest.scene.cluster.crash(0).await;
    rest.scene.cluster.resume(1).await;
    rest.scene.cluster.promote(1).await;
    rest.scene.stage.test = rest.scene.cluster.database_on(&rest.scene.stage.test, 1);
    let shows = [("x-consistency", lost.as_str())];
    for (method, path) in [
        (Method::GET, "/look"),
        (Method::GET, "/look-as/200"),
        (Method::POST, "/mark/b"),
        (Method::POST, "/look-as/404"),
    ] {
        let answer = rest.send(with(method, path, &shows)).await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (StatusCode::PRECONDITION_FAILED, "CONSISTENCY_LOST"),
            "{path}: {}",
            answer.body
        );
        assert!(!answer.headers.contains_key("retry-after"), "{path}");
    }
    // Who forgets the token goes on.
    let after = rest.mark("after").await.to_string();
    let looked = rest.look(&[("x-consistency", &after)]).await;
    let marks = rest.scene.marks().await;
    assert!(!marks.contains(&"b".to_owned()), "{marks:?}");
    let count = i64::try_from(marks.len()).expect("are few");
    assert_eq!(looked, (count, rest.scene.port(1)));
}

/// A request without a token is read a little behind where it may be, and the same caller's writes are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_may_be_read_a_little_behind() {
    let rest = Rest::of(Scene::new(1, SHORT).await, |layer| {
        layer.viewer(|parts| Some(parts.headers.get("x-user")?.to_str().ok()?.to_owned()))
    });
    let as_reader = [("x-user", "reader"), ("x-max-staleness", "10m")];
    let as_writer = [("x-user", "writer"), ("x-max-staleness", "10m")];
    rest.reads_on_the_replica(0, &as_reader).await;
    rest.scene.cluster.pause(1).await;
    let mark = with(Method::POST, "/mark/a", &as_writer);
    let written = token(&rest.send(mark).await).to_string();
    assert_eq!(rest.look(&as_reader).await, (0, rest.scene.port(1)));
    for fresh in [
        as_writer.as_slice(),
        &[("x-user", "reader")],
        &[("x-user", "reader"), ("x-max-staleness", "0s")],
        &[as_reader[0], as_reader[1], ("x-consistency", &written)],
    ] {
        assert_eq!(rest.look(fresh).await, (1, rest.scene.port(0)), "{fresh:?}");
    }
    rest.scene.cluster.resume(1).await;
    rest.reads_on_the_replica(1, &as_writer).await;
    rest.scene.assert_whole().await;
}

/// What a database allows by itself, it allows handlers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staleness_of_the_database_holds_for_handlers() {
    let options = DatabaseOptions::default().max_staleness(Duration::from_secs(600));
    let rest = Rest::of(Scene::with(options, (1, SHORT)).await, |layer| layer);
    rest.reads_on_the_replica(0, &[]).await;
    rest.scene.cluster.pause(1).await;
    rest.mark("a").await;
    // All callers without a name are one.
    assert_eq!(rest.look(&[]).await, (1, rest.scene.port(0)));
    rest.scene.cluster.resume(1).await;
}

/// A handler that may run again does so on the primary when it loses its replica, also if the replica could be read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handler_that_loses_its_replica_runs_again_on_the_primary() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let proxy = cluster.database_on(&test, 1).proxy().await;
    let url = test.url().to_owned();
    let options = DatabaseOptions::default()
        .replicas([proxy.url().parse().expect("is a URL")])
        .replica_wait(PATIENCE);
    let stage = Stage::at(test, &url, options, |it| it).await;
    let policy = RetryPolicy::default().attempts(5);
    let layer = UnitOfWorkLayer::new(stage.database.clone()).retry(policy);
    let app = routes::router(&stage.cue, &stage.database).layer(layer);
    let send = |request| ended(tokio::spawn(answer(app.clone(), request)));
    let shown = token(&send(with(Method::POST, "/mark/a", &[])).await).to_string();
    proxy.clear_log();
    let gate = proxy.hold(|text| text.contains("current_setting('port')"));
    let looking = with(Method::GET, "/look", &[("x-consistency", &shown)]);
    let looking = tokio::spawn(answer(app.clone(), looking));
    gate.reached().await;
    gate.cut();
    let primary = stage.observer().await;
    let primary = primary.text("SELECT current_setting('port')").await;
    assert_eq!(looked(&ended(looking).await), (1, primary));
    let log = proxy.log();
    let begun = log.iter().filter(|text| text.contains("BEGIN"));
    assert_eq!(begun.count(), 1, "{log:?}");
    stage.assert_whole().await;
}
