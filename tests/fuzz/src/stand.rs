//! The server in this process, on a fresh database.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use daybook::{
    command::serve,
    config::DatabaseUrl,
    database, graphql,
    http::{self, Access, App, Keys, Stop, Tokens},
};
use daybook_test_harness::{Engine, TestDatabase};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime, time::timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use unit_of_work::{Database, DatabaseOptions};

use crate::answer;

/// The secret of the tokens that this server takes.
pub(crate) const SECRET: &[u8] = b"a secret of at least 32 bytes, for fuzzing";

/// The longest that an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// After so many inputs the ledger is verified, and a fresh one takes its place.
const RUNS: u32 = 5_000;

/// How long a stream may be silent before it is left.
const SILENCE: Duration = Duration::from_millis(20);

/// A server. Everything of it runs in the thread that asks it.
pub(crate) struct Stand {
    runtime: Runtime,
    /// Without authentication.
    open: App,
    /// With it.
    guarded: App,
    database: Database,
    address: Option<SocketAddr>,
    runs: u32,
    _test: TestDatabase,
}

/// Runs `body` on this thread's server on this engine, in whose ledger are some accounts.
pub(crate) fn on<T>(engine: Engine, body: impl FnOnce(&mut Stand) -> T) -> T {
    let place = match engine {
        Engine::MariaDb => unreachable!("the ledger is not on MariaDB yet"),
        Engine::Sqlite => 0,
        Engine::Postgres => 1,
    };
    at(place, body, || {
        let stand = Stand::new(engine);
        stand.open_accounts();
        stand
    })
}

/// Runs `body` on this thread's server with an empty ledger on SQLite, which it has to leave empty.
pub(crate) fn on_empty<T>(body: impl FnOnce(&mut Stand) -> T) -> T {
    at(2, body, || Stand::new(Engine::Sqlite))
}

fn at<T>(place: usize, body: impl FnOnce(&mut Stand) -> T, make: impl FnOnce() -> Stand) -> T {
    thread_local! {
        static STANDS: RefCell<[Option<Stand>; 3]> = const { RefCell::new([const { None }; 3]) };
    }
    STANDS.with_borrow_mut(|stands| {
        let place = &mut stands[place];
        let stand = place.get_or_insert_with(make);
        let result = body(stand);
        stand.runs += 1;
        if stand.runs == RUNS {
            stand.verify();
            *place = None;
        }
        result
    })
}

impl Stand {
    fn new(engine: Engine) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let (test, database) = runtime.block_on(async {
            let test = TestDatabase::create(engine).await;
            let url = DatabaseUrl::parse(test.url()).unwrap();
            let database = database::connect(&url, DatabaseOptions::default())
                .await
                .unwrap();
            database::migrate(&url).await.unwrap();
            (test, database)
        });
        let app = |access| {
            let schema = graphql::operation_schema().unwrap();
            let mut options = http::options(database::readiness(&database), schema);
            options.operations = graphql::operations();
            options.authentication = access;
            let schema = serve::schema(
                &database,
                Duration::from_secs(5),
                options.limits.answer_bytes,
            );
            http::app(schema, options)
        };
        let keys = Keys::from_secret(SECRET).unwrap();
        let (open, guarded) = (
            app(Access::Anyone),
            app(Access::Tokens(Tokens::new(keys, "issuer", "daybook"))),
        );
        drop(entered);
        Self {
            runtime,
            open,
            guarded,
            database,
            address: None,
            runs: 0,
            _test: test,
        }
    }

    /// `cash` and `alice` in euros, with something on them, and `yen`.
    fn open_accounts(&self) {
        let open = r#"mutation {
            a: openAccount(input: { code: "cash", name: "Cash", currency: "EUR", normalSide: DEBIT }) { account { id } }
            b: openAccount(input: { code: "alice", name: "Alice", currency: "EUR", normalSide: CREDIT, limitPolicy: NO_DEBIT_OVERDRAFT }) { account { id } }
            c: openAccount(input: { code: "yen", name: "Yen", currency: "JPY", normalSide: DEBIT }) { account { id } }
            postEntry(input: { lines: [{ debit: { code: "cash" }, credit: { code: "alice" }, amount: "100000", currency: "EUR" }] }) { entry { id } }
        }"#;
        let body = self.graphql(&json!({ "query": open }).to_string());
        assert!(!body.contains("\"errors\""), "{body}");
    }

    /// The ledger is sound, and this server still answers.
    pub(crate) fn verify(&self) {
        let body = self.graphql(r#"{"query": "{ verifyLedger { ok differences { kind } } }"}"#);
        assert!(body.contains(r#""ok":true"#), "{body}");
    }

    /// Answers a POST of this body.
    pub(crate) fn graphql(&self, body: &str) -> String {
        let request = Request::post("/graphql")
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = self.ask(request, false);
        String::from_utf8(answer.into()).unwrap()
    }

    /// Answers a request, with authentication or without; checks what is answered.
    pub(crate) fn ask(&self, request: Request<Body>, guarded: bool) -> Bytes {
        let app = if guarded { &self.guarded } else { &self.open };
        let answer = async {
            let Ok(response) = app.clone().oneshot(request).await;
            let (head, body) = response.into_parts();
            let (body, is_whole) = read(&head.headers, body).await;
            (head.status, head.headers, body, is_whole)
        };
        let (status, headers, body, is_whole): (StatusCode, _, _, _) = self
            .runtime
            .block_on(async { timeout(PATIENCE, answer).await })
            .expect("no answer");
        answer::check(status, &headers, &body, is_whole);
        body
    }

    /// Its database.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Runs a future beside the server.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime
            .block_on(async { timeout(PATIENCE, future).await })
            .expect("no answer")
    }

    /// Where it listens, without authentication.
    pub(crate) fn address(&mut self) -> SocketAddr {
        if let Some(address) = self.address {
            return address;
        }
        let app = self.open.clone();
        let address = self.runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let never = CancellationToken::new().cancelled_owned();
            let stop = Stop {
                notice: Duration::ZERO,
                drain: Duration::ZERO,
            };
            tokio::spawn(http::serve(listener, app, never, stop));
            address
        });
        *self.address.insert(address)
    }
}

/// Reads a body: all of it, or of a stream what comes at once.
async fn read(headers: &HeaderMap, mut body: Body) -> (Bytes, bool) {
    let is_stream = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return (body.collect().await.unwrap().to_bytes(), true);
    }
    let mut read = Vec::new();
    while read.len() < 1_000_000 {
        match timeout(SILENCE, body.frame()).await {
            Ok(Some(frame)) => {
                if let Ok(data) = frame.unwrap().into_data() {
                    read.extend_from_slice(&data);
                }
            }
            Ok(None) => return (read.into(), true),
            Err(_) => break,
        }
    }
    (read.into(), false)
}
