//! Tests of the service over a schema without units of work, and without a socket. Daybook's own tests cover everything else that clients
//! see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Context, EmptySubscription, Object, Request as Operation, Schema, parser::types::OperationType,
};
use axum::{
    body::to_bytes,
    http::{HeaderMap, Request, StatusCode},
};
use graphql_service::{
    Anyone, App, Authentication, Caller, Hosts, Init, Limits, Listener, Options, Refusal,
    RequestErrors, Stop, Switches, app,
};
use serde_json::{Map, Value as Json, json};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout},
};
use tower::ServiceExt;
use unit_of_work::Report;

/// The sum of all `add`.
#[derive(Clone, Default)]
struct Sum(Arc<AtomicI32>);

struct Query;

#[Object]
impl Query {
    async fn long(&self) -> String {
        "x".repeat(100)
    }

    async fn caller(&self, ctx: &Context<'_>) -> Option<&'static str> {
        ctx.data_opt::<Name>().map(|name| name.0)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, ctx: &Context<'_>, by: i32) -> i32 {
        let Sum(sum) = ctx.data_unchecked();
        sum.fetch_add(by, Ordering::SeqCst) + by
    }
}

fn serve<A: Authentication>(
    authentication: A,
    configure: impl FnOnce(Options<A>) -> Options<A>,
) -> (App, Sum) {
    let sum = Sum::default();
    let mut limits = Limits::default();
    limits.answer_bytes = 80;
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(RequestErrors::within(&limits))
        .data(sum.clone())
        .finish();
    let definition = graphql_operation::Schema::parse(&schema.sdl()).unwrap();
    let options = configure(Options::new(definition, authentication)).limits(limits);
    (app(schema, options), sum)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    json: Json,
}

async fn ask(app: &App, headers: &[(&str, &str)], body: &Json) -> Answer {
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_string().into()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        json: serde_json::from_slice(&body).unwrap(),
    }
}

impl Answer {
    #[track_caller]
    fn code(&self) -> &str {
        self.json["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap()
    }
}

/// A dry run must never be executed for real.
#[tokio::test]
async fn switches_that_nobody_would_heed_are_refused() {
    let add =
        |extensions: &Json| json!({"query": "mutation { add(by: 1) }", "extensions": extensions});
    let switches = [
        ("x-dry-run", "true", "dryRun", json!(true)),
        ("x-timeout", "2s", "timeout", json!("2s")),
        ("x-unit-of-work", "report", "unitOfWork", json!("report")),
        ("idempotency-key", "a", "idempotencyKey", json!("a")),
    ];
    let (app, sum) = serve(Anyone, |options| options);
    for (header, value, member, json) in &switches {
        let answer = ask(&app, &[(header, value)], &add(&json!({}))).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "BAD_REQUEST"),
            "{header}"
        );
        let answer = ask(&app, &[], &add(&json!({ *member: json }))).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "BAD_REQUEST"),
            "{member}"
        );
        let batch = json!([add(&json!({ *member: json }))]);
        let answer = ask(&app, &[], &batch).await;
        assert_eq!(
            answer.json[0]["errors"][0]["extensions"]["code"], "BAD_REQUEST",
            "{member}"
        );
    }
    let batch = json!([add(&json!({}))]);
    let answer = ask(&app, &[("x-batch", "all-or-nothing")], &batch).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "BAD_REQUEST")
    );
    assert_eq!(sum.0.load(Ordering::SeqCst), 0);
    // Other headers and extensions belong to the application.
    let answer = ask(&app, &[("x-other", "1")], &add(&json!({ "other": 1 }))).await;
    assert_eq!(answer.json, json!({ "data": { "add": 1 } }));

    let (app, sum) = serve(Anyone, |options| {
        options.switches(Switches::UnitOfWork {
            most_told: Report::Off,
        })
    });
    for (header, value, member, json) in &switches {
        let answer = ask(&app, &[(header, value)], &add(&json!({}))).await;
        assert_eq!(answer.status, 200, "{header}");
        let answer = ask(&app, &[], &add(&json!({ *member: json }))).await;
        assert_eq!(answer.status, 200, "{member}");
    }
    assert_eq!(sum.0.load(Ordering::SeqCst), 2 * 4);
}

#[tokio::test]
async fn an_answer_has_its_bound() {
    let (app, _) = serve(Anyone, |options| options);
    let answer = ask(&app, &[], &json!({ "query": "{ long }" })).await;
    assert_eq!(answer.code(), "ANSWER_TOO_LARGE");
    let answer = ask(&app, &[], &json!({ "query": "{ caller }" })).await;
    assert_eq!(answer.json, json!({ "data": { "caller": null } }));
}

#[tokio::test]
async fn the_application_says_who_calls_and_what_they_may_do() {
    let (app, sum) = serve(Names, |options| options);
    let query = json!({ "query": "{ caller }" });
    let answer = ask(&app, &[], &query).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (401, "UNAUTHENTICATED")
    );
    assert_eq!(answer.headers["www-authenticate"], "Name");
    let answer = ask(&app, &[("x-name", "ann")], &query).await;
    assert_eq!(answer.json, json!({ "data": { "caller": "ann" } }));
    let add = json!({ "query": "mutation { add(by: 1) }" });
    let answer = ask(&app, &[("x-name", "ann")], &add).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (403, "FORBIDDEN"));
    assert_eq!(sum.0.load(Ordering::SeqCst), 0);
}

/// Only Ann is known, and she may only read.
#[derive(Clone)]
struct Names;

#[derive(Clone)]
struct Name(&'static str);

impl Authentication for Names {
    type Caller = Name;

    async fn of_request(&self, headers: &HeaderMap) -> Result<Name, Refusal> {
        match headers.get("x-name") {
            Some(name) if name == "ann" => Ok(Name("ann")),
            _ => Err(Refusal::unauthenticated("Name", "who are you?")),
        }
    }

    async fn of_handshake(&self, headers: &HeaderMap) -> Result<Option<Name>, Refusal> {
        self.of_request(headers).await.map(Some)
    }

    async fn of_init(&self, _: &Map<String, Json>) -> Init<Name> {
        Init::Silent
    }
}

impl Caller for Name {
    fn may(&self, kind: OperationType) -> Result<(), Refusal> {
        match kind {
            OperationType::Query | OperationType::Subscription => Ok(()),
            OperationType::Mutation => Err(Refusal::forbidden("they may read")),
        }
    }

    fn attach(&self, request: &mut Operation, _: OperationType) {
        request.data.insert(self.clone());
    }

    fn name(&self) -> Option<&str> {
        Some(self.0)
    }

    fn expires(&self) -> Option<Instant> {
        None
    }

    fn audience(&self) -> String {
        self.0.to_owned()
    }
}

/// A server without a list of names answers only to those of loopback.
#[tokio::test]
async fn server_is_known_by_names_of_loopback_unless_it_says_others() {
    let query = json!({ "query": "{ caller }" });
    let as_asked = [
        ("localhost", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]", 200),
        ("notes.example", 421),
    ];
    let (app, _) = serve(Anyone, |options| options);
    for (host, status) in as_asked {
        let answer = ask(&app, &[("host", host)], &query).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    let others = Hosts::LoopbackAnd(vec!["notes.example".to_owned()]);
    let (app, _) = serve(Anyone, |options| options.hosts(others));
    for (host, status) in [
        ("notes.example", 200),
        ("localhost", 200),
        ("other.example", 421),
    ] {
        let answer = ask(&app, &[("host", host)], &query).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
}

/// A listener without clients. It reports when it is asked for a connection, and when it is dropped.
struct Silent {
    asked: Option<oneshot::Sender<()>>,
    _dropped: oneshot::Sender<()>,
}

impl Listener for Silent {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        if let Some(asked) = self.asked.take() {
            asked.send(()).unwrap();
        }
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_accepts_no_more_connections() {
    let (asked, is_asked) = oneshot::channel();
    let (dropped, is_dropped) = oneshot::channel::<()>();
    let listener = Silent {
        asked: Some(asked),
        _dropped: dropped,
    };
    let stop = Stop {
        notice: Duration::ZERO,
        drain: Duration::ZERO,
    };
    let (app, _) = serve(Anyone, |options| options);
    let server = graphql_service::serve(listener, app.clone(), std::future::pending(), stop);
    tokio::select! {
        _ = server => unreachable!("nothing stops it"),
        asked = is_asked => asked.unwrap(),
    }
    // The sender is dropped with the listener.
    let end = timeout(Duration::from_secs(10), is_dropped).await;
    assert!(end.expect("the listener still listens").is_err());
    let ready = Request::get("/readyz").header("host", "localhost");
    let ready = app.oneshot(ready.body(axum::body::Body::empty()).unwrap());
    assert_eq!(
        ready.await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}
