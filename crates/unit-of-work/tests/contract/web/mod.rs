//! REST handlers and webhooks on units of work.

mod replicas;
mod routes;

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{self, HeaderMap, Request, StatusCode},
};
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use tokio::{task::JoinHandle, time::timeout};
use tower::ServiceExt as _;
use unit_of_work::{
    Access, IdempotencySettings, RetryPolicy, UnitTerms,
    idempotency::create_table,
    web::{Problem, UnitOfWorkLayer},
};

use crate::{
    retries::contended,
    stage::{PATIENCE, Stage},
};

/// A stage, and the routes in a layer on its database.
struct Scene {
    stage: Stage,
    app: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// `code` of a problem.
    fn code(&self) -> String {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.body
        );
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("is JSON");
        problem["code"].as_str().expect("has a code").to_owned()
    }
}

impl Scene {
    async fn new(test: TestDatabase) -> Self {
        Self::with(Stage::new(test).await, |layer| layer)
    }

    fn with(stage: Stage, configure: impl FnOnce(UnitOfWorkLayer) -> UnitOfWorkLayer) -> Self {
        let layer = configure(UnitOfWorkLayer::new(stage.database.clone()));
        let app = routes::router(&stage.cue, &stage.database).layer(layer);
        Self { stage, app }
    }

    async fn recording(test: TestDatabase) -> Self {
        let stage = Stage::new(test).await;
        stage
            .observer()
            .await
            .execute(&create_table(stage.database.backend()))
            .await;
        Self::with(stage, |layer| {
            layer.idempotency(IdempotencySettings::default())
        })
    }

    fn start(&self, request: Request<Body>) -> JoinHandle<Answer> {
        tokio::spawn(answer(self.app.clone(), request))
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        timeout(PATIENCE, answer(self.app.clone(), request))
            .await
            .expect("answers")
    }

    async fn post(&self, path: &str) -> Answer {
        self.send(
            Request::post(path)
                .body(Body::empty())
                .expect("is a request"),
        )
        .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(
            Request::get(path)
                .body(Body::empty())
                .expect("is a request"),
        )
        .await
    }
}

async fn answer(app: Router, request: Request<Body>) -> Answer {
    let response = app.oneshot(request).await.expect("is infallible");
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 100_000).await;
    let body = body.map_or_else(
        |error| format!("cut short: {error}"),
        |body| String::from_utf8_lossy(&body).into_owned(),
    );
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

fn with_key(path: &str, key: &str, body: &'static str) -> Request<Body> {
    let request = Request::post(path).header("Idempotency-Key", key);
    request.body(Body::from(body)).expect("is a request")
}

on_every_engine! {
    /// 2xx and 3xx are committed, anything else is rolled back.
    async fn handler_is_a_unit(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let stage = &scene.stage;
        let answer = scene.post("/mark/a").await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::CREATED, "a"));
        assert_eq!(answer.headers["x-mark"], "yes");
        assert_eq!(stage.cue.effects(), ["committed"]);
        assert_eq!(scene.post("/redirect/b").await.status, StatusCode::SEE_OTHER);
        assert_eq!(stage.marks().await, ["a", "b"]);
        let answer = scene.post("/refuse/c").await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::UNPROCESSABLE_ENTITY, "refused"));
        // Its own answer to a statement that failed.
        assert_eq!(scene.post("/mark/a").await.code(), "CONSTRAINT_VIOLATED");
        assert_eq!(scene.get("/count").await.body, "2");
        assert_eq!(stage.marks().await, ["a", "b"]);
        stage.assert_whole().await;
    }

    /// What was not committed is not answered.
    async fn response_waits_for_its_commit(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for (path, status, code) in [
            ("/orphan", StatusCode::CONFLICT, "COMMIT_FAILED"),
            ("/swallow/a", StatusCode::INTERNAL_SERVER_ERROR, "UNIT_DOOMED"),
            ("/rollback-only/a", StatusCode::CONFLICT, "ROLLBACK_ONLY"),
        ] {
            // MariaDB defers nothing to COMMIT: see `mariadb`.
            if scene.stage.test.engine() == Engine::MariaDb && code == "COMMIT_FAILED" {
                continue;
            }
            let answer = scene.post(path).await;
            assert_eq!((answer.status, &*answer.code()), (status, code), "{path}");
        }
        assert!(scene.stage.marks().await.is_empty());
        assert_eq!(scene.stage.observer().await.i64("SELECT COUNT(*) FROM child").await, 0);
        scene.stage.assert_whole().await;
    }

    async fn panic_of_a_handler_rolls_back(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let answer = scene.post("/panics/a").await;
        assert_eq!((answer.status, &*answer.code()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"));
        assert!(!answer.body.contains("own words"), "{}", answer.body);
        assert!(scene.stage.marks().await.is_empty());
        scene.stage.assert_whole().await;
    }

    async fn client_that_goes_rolls_its_request_back(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let running = scene.start(Request::post("/meet/a").body(Body::empty()).expect("is a request"));
        scene.stage.cue.reached().await;
        running.abort();
        assert!(timeout(PATIENCE, running).await.expect("ends").is_err());
        scene.stage.assert_whole().await;
        assert!(scene.stage.marks().await.is_empty());
    }

    async fn handler_past_its_deadline_rolls_back(test: TestDatabase) {
        let scene = Scene::with(Stage::new(test).await, |layer| layer.deadline(Duration::from_millis(500)));
        let answer = scene.post("/meet/a").await;
        assert_eq!((answer.status, &*answer.code()), (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"));
        scene.stage.assert_whole().await;
        assert!(scene.stage.marks().await.is_empty());
    }

    /// The database refuses a write by GET, unless the layer is told that it is one.
    async fn get_reads_only(test: TestDatabase) {
        let mut scene = Scene::new(test).await;
        assert_eq!(scene.get("/mark/a").await.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(scene.stage.marks().await.is_empty());
        scene = Scene::with(scene.stage, |layer| layer.access(|_| Access::ReadWrite));
        assert_eq!(scene.get("/mark/a").await.status, StatusCode::CREATED);
        assert_eq!(scene.stage.marks().await, ["a"]);
        scene.stage.assert_whole().await;
    }

    /// The unit ends before the body is sent: it sees what was committed, on pools of one.
    async fn body_is_sent_after_the_unit(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let answer = scene.post("/stream-of-its-own/a").await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "11"));
        let answer = scene.post("/stream-of-the-unit/b").await;
        assert_eq!((answer.status, &*answer.code()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"));
        assert_eq!(scene.stage.marks().await, ["a"]);
        scene.stage.assert_whole().await;
    }

    async fn handler_that_loses_a_conflict_runs_again(test: TestDatabase) {
        let policy = RetryPolicy::default().attempts(1000).first_delay(Duration::from_millis(1));
        let mut scene = Scene::with(contended(test).await, |layer| layer.retry(policy));
        let sent = "what was sent";
        let answer = loses(&scene, || true, sent).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, sent), "{}", answer.body);
        assert_eq!(scene.stage.counter().await, 11);
        // By itself it runs once, and asks the client to come again.
        scene = Scene::with(scene.stage, |layer| layer);
        scene.stage.cue.increments.store(0, Ordering::SeqCst);
        let answer = loses(&scene, || false, sent).await;
        assert_eq!((answer.status, &*answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "CONFLICT_RETRIES_EXHAUSTED"));
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(scene.stage.counter().await, 21);
        scene.stage.assert_whole().await;
    }

    async fn request_with_a_key_is_done_once(test: TestDatabase) {
        let scene = Scene::recording(test).await;
        let stage = &scene.stage;
        let first = scene.send(with_key("/mark/a", "\"key\"", "")).await;
        assert_eq!(first.status, StatusCode::CREATED);
        assert!(!first.headers.contains_key("idempotency-replayed"));
        let again = scene.send(with_key("/mark/a", "key", "")).await;
        assert_eq!((again.status, &*again.body), (StatusCode::CREATED, "a"));
        assert_eq!(again.headers["x-mark"], "yes");
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(stage.cue.effects(), ["committed"]);
        for reused in [with_key("/mark/b", "key", ""), with_key("/mark/a", "key", "other")] {
            let answer = scene.send(reused).await;
            assert_eq!((answer.status, &*answer.code()), (StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED"));
        }
        // A request that fails frees its key.
        assert_eq!(scene.send(with_key("/refuse/c", "other", "")).await.body, "refused");
        assert_eq!(scene.send(with_key("/panics/c", "other", "")).await.code(), "INTERNAL");
        assert_eq!(scene.send(with_key("/mark/c", "other", "")).await.status, StatusCode::CREATED);
        assert_eq!(stage.marks().await, ["a", "c"]);
        stage.assert_whole().await;
    }

    /// The second one waits for the first, and answers the same.
    async fn two_requests_with_a_key_at_once_are_one(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut stage = Stage::new(test).await;
        stage.observer().await.execute(&create_table(stage.database.backend())).await;
        let options = unit_of_work::DatabaseOptions::default();
        stage.database = unit_of_work::Database::connect(&url, options).await.expect("connects");
        let scene = Scene::with(stage, |layer| layer.idempotency(IdempotencySettings::default()));
        let first = scene.start(with_key("/meet/a", "key", ""));
        scene.stage.cue.reached().await;
        let second = scene.start(with_key("/meet/a", "key", ""));
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        scene.stage.cue.proceed();
        for running in [first, second] {
            let answer = timeout(PATIENCE, running).await.expect("ends").expect("answers");
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        }
        assert_eq!(scene.stage.marks().await, ["a"]);
    }

    async fn key_that_protects_nobody_is_refused(test: TestDatabase) {
        let mut scene = Scene::new(test).await;
        let answer = scene.send(with_key("/mark/a", "key", "")).await;
        assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_REQUEST, "IDEMPOTENCY_NOT_ENABLED"));
        scene = Scene::with(scene.stage, |layer| layer.idempotency(IdempotencySettings::default()));
        let two = Request::post("/mark/a").header("idempotency-key", "a").header("idempotency-key", "b");
        for invalid in [with_key("/mark/a", "", ""), two.body(Body::empty()).expect("is a request")] {
            let answer = scene.send(invalid).await;
            assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_REQUEST, "IDEMPOTENCY_KEY_INVALID"));
        }
        assert!(scene.stage.marks().await.is_empty());
        scene.stage.assert_whole().await;
    }

    /// What would be two units of one request, or none.
    async fn routes_with_two_layers_or_none_are_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let layer = || UnitOfWorkLayer::new(stage.database.clone());
        let routes = || routes::router(&stage.cue, &stage.database);
        for app in [routes(), routes().layer(layer()).layer(layer())] {
            let request = Request::post("/mark/a").body(Body::empty()).expect("is a request");
            let answer = answer(app, request).await;
            assert_eq!((answer.status, &*answer.code()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"));
        }
        assert!(stage.marks().await.is_empty());
        stage.assert_whole().await;
    }

    /// Without replicas no response has a token, and nothing but the form of one is looked at.
    async fn request_without_replicas_has_no_token(test: TestDatabase) {
        const TOKEN: &str = "00000002.000000000401abcd.68fa3c2d11e0a7b5";
        let scene = Scene::new(test).await;
        let shows = |request: http::request::Builder, token: &str| {
            let request = request.header("x-consistency", token).header("x-max-staleness", "5s");
            request.body(Body::empty()).expect("is a request")
        };
        for request in [Request::post("/mark/a"), Request::get("/count")] {
            let answer = scene.send(shows(request, TOKEN)).await;
            assert!(answer.status.is_success(), "{}", answer.body);
            assert!(!answer.headers.contains_key("x-consistency") && !answer.headers.contains_key("vary"));
        }
        for request in [Request::post("/mark/b"), Request::get("/count")] {
            let answer = scene.send(shows(request, "latest")).await;
            assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_REQUEST, "CONSISTENCY_TOKEN_INVALID"));
        }
        assert_eq!(scene.stage.marks().await, ["a"]);
        scene.stage.assert_whole().await;
    }

    async fn terms_and_database_of_a_request(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let database = stage.database.clone();
        let layer = UnitOfWorkLayer::choosing(move |parts| match parts.headers.get("x-tenant") {
            Some(_) => Ok(database.clone()),
            None => Err(Problem::new(StatusCode::NOT_FOUND, "There is no such tenant.", "NO_TENANT")),
        })
        .terms(|_| Ok(UnitTerms::named("hook").deadline(Duration::from_millis(500))));
        let app = routes::router(&stage.cue, &stage.database).layer(layer);
        let scene = Scene { stage, app };
        assert_eq!(scene.post("/mark/a").await.code(), "NO_TENANT");
        let of_tenant = |path: &str| Request::post(path).header("x-tenant", "1").body(Body::empty()).expect("is a request");
        assert_eq!(scene.send(of_tenant("/mark/b")).await.status, StatusCode::CREATED);
        assert_eq!(scene.send(of_tenant("/meet/c")).await.code(), "DEADLINE_EXCEEDED");
        assert_eq!(scene.stage.marks().await, ["b"]);
        scene.stage.assert_whole().await;
    }
}

/// Sends a request that loses against another writer: until there is a second attempt on SQLite, where the file is busy, if there is to be
/// one; once on PostgreSQL.
async fn loses(scene: &Scene, runs_again: impl Fn() -> bool, sent: &'static str) -> Answer {
    let stage = &scene.stage;
    let other = stage.observer().await;
    let is_sqlite = stage.test.engine() == Engine::Sqlite;
    if is_sqlite {
        other.execute("BEGIN IMMEDIATE").await;
    }
    let path = if is_sqlite {
        "/increment"
    } else {
        "/increment?meet=true"
    };
    let request = Request::post(path)
        .body(Body::from(sent))
        .expect("is a request");
    let running = scene.start(request);
    if is_sqlite {
        let begun = || stage.cue.increments.load(Ordering::SeqCst);
        eventually("it has lost", async || {
            running.is_finished() || (runs_again() && begun() > 1)
        })
        .await;
    } else {
        stage.cue.reached().await;
    }
    other.execute("UPDATE counter SET value = value + 10").await;
    if is_sqlite {
        other.execute("COMMIT").await;
    }
    stage.cue.proceed();
    timeout(PATIENCE, running)
        .await
        .expect("ends")
        .expect("answers")
}
