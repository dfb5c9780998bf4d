//! A schema whose answers fail, are long, or take long, and a server of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_graphql::{
    Context, Error, Object, Result, Schema, Subscription as Subscriptions,
    futures_util::{Stream, stream},
};
use daybook::{
    config::DatabaseUrl,
    database,
    http::{self, Limits, RequestErrors, Stop},
};
use daybook_test_harness::TestDatabase;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use unit_of_work::{
    ContextExt, DatabaseOptions, IdempotencySettings, Retrying, UnitOfWorkExtension,
};

use crate::graphql::server::Subscription;

/// The bytes that an answer may have.
pub(super) const MOST: usize = 20_000;

/// How many texts were resolved.
#[derive(Clone, Default)]
struct Resolved(Arc<AtomicUsize>);

struct Item;

#[Object]
impl Item {
    async fn number(&self) -> i32 {
        1
    }

    async fn text(&self, ctx: &Context<'_>, bytes: usize) -> String {
        ctx.data_unchecked::<Resolved>().0.fetch_add(1, SeqCst);
        "x".repeat(bytes)
    }

    async fn items(&self, count: usize) -> Vec<Option<Item>> {
        (0..count).map(|_| Some(Item)).collect()
    }

    async fn fails(&self) -> Result<Option<i32>> {
        Err(Error::new("it fails"))
    }

    async fn fails_wholly(&self) -> Result<i32> {
        Err(Error::new("it fails"))
    }

    async fn fails_in_the_database(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        ctx.unit()
            .execute_unprepared("SELECT a_secret FROM account")
            .await?;
        Ok(None)
    }

    /// Keeps its thread busy.
    async fn works(&self, microseconds: u64) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(microseconds) {
            std::hint::spin_loop();
        }
        true
    }
}

struct Query;

#[Object]
impl Query {
    async fn item(&self) -> Item {
        Item
    }

    async fn fails(&self) -> Result<Option<i32>> {
        Err(Error::new("it fails"))
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn add(&self, ctx: &Context<'_>) -> Result<Item> {
        ctx.unit()
            .execute_unprepared("INSERT INTO note VALUES (1)")
            .await?;
        Ok(Item)
    }
}

struct Events;

#[Subscriptions]
impl Events {
    async fn items(&self) -> impl Stream<Item = Item> {
        stream::iter([Item, Item])
    }
}

pub(super) struct Toy {
    test: TestDatabase,
    address: String,
    resolved: Resolved,
    client: reqwest::Client,
    _stop: DropGuard,
}

impl Toy {
    pub(super) async fn serve(test: TestDatabase) -> Self {
        let url = DatabaseUrl::parse(test.url()).unwrap();
        let options = DatabaseOptions::default();
        let database = database::connect(&url, options).await.unwrap();
        database::migrate(&url).await.unwrap();
        test.observer()
            .await
            .execute("CREATE TABLE note (number INTEGER)")
            .await;
        let resolved = Resolved::default();
        let limits = Limits::default().answer_bytes(MOST);
        let units =
            UnitOfWorkExtension::new(database.clone()).idempotency(IdempotencySettings::default());
        let schema = Schema::build(Query, Mutation, Events)
            .data(resolved.clone())
            .extension(RequestErrors::around_units(units, &limits))
            .finish();
        let definition = graphql_operation::Schema::parse(&schema.sdl()).unwrap();
        let mut options = http::options(database::readiness(&database), definition);
        options.limits.complexity = usize::MAX;
        let app = http::app(Retrying::new(schema), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let times = Stop {
            notice: Duration::ZERO,
            drain: Duration::ZERO,
        };
        tokio::spawn(http::serve(
            listener,
            app,
            stop.clone().cancelled_owned(),
            times,
        ));
        Self {
            test,
            address,
            resolved,
            client: reqwest::Client::new(),
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn request(&self, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("http://{}/graphql", self.address);
        self.client
            .post(url)
            .timeout(Duration::from_secs(20))
            .json(body)
    }

    pub(super) async fn run(&self, query: &str) -> Value {
        let request = self.request(&json!({ "query": query }));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The responses to an operation over server-sent events.
    pub(super) async fn streamed(&self, query: &str) -> Vec<Value> {
        let request = self.request(&json!({ "query": query }));
        let request = request.header("accept", "text/event-stream");
        let text = request.send().await.unwrap().text().await.unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: {"));
        data.map(|data| serde_json::from_str(&format!("{{{data}")).unwrap())
            .collect()
    }

    /// The answers to an operation over a socket.
    pub(super) async fn on_a_socket(&self, query: &str) -> Vec<Value> {
        let mut socket = Subscription::open(&self.address, query, json!({}))
            .await
            .unwrap();
        let mut answers = Vec::new();
        loop {
            let mut message = socket.message().await;
            match message["type"].as_str().unwrap() {
                "next" => answers.push(message["payload"].take()),
                "complete" => return answers,
                _ => panic!("{message}"),
            }
        }
    }

    /// The one answer to a query or a mutation, which is the same on every transport. It is run on each.
    pub(super) async fn everywhere(&self, query: &str) -> Value {
        let answer = self.run(query).await;
        assert_eq!(self.streamed(query).await, std::slice::from_ref(&answer));
        assert_eq!(self.on_a_socket(query).await, std::slice::from_ref(&answer));
        let batch = self.request(&json!([{ "query": query }]));
        let batch: Value = batch.send().await.unwrap().json().await.unwrap();
        assert_eq!(batch, json!([answer]));
        answer
    }

    /// How many texts were resolved since the last look.
    pub(super) fn resolved(&self) -> usize {
        self.resolved.0.swap(0, SeqCst)
    }

    pub(super) async fn notes(&self) -> i64 {
        let observer = self.test.observer().await;
        observer.i64("SELECT COUNT(*) FROM note").await
    }
}
