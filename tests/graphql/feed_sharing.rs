//! `entryPosted`: an event is executed once for all subscribers with the same operation.

use std::time::Duration;

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;
use unit_of_work::DatabaseOptions;

use super::process::Process;
use super::server::{Ledger, POST, Subscription, line};

const FEED: &str = "subscription ($accounts: [AccountRef!], $after: String) { entryPosted(accounts: $accounts, after: $after) { cursor behind entry { id lines { amount { amount } } } } }";

const PATIENCE: Duration = Duration::from_secs(20);

/// A subscriber over server-sent events.
struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    async fn open(address: &str, variables: &Value) -> Self {
        let request = reqwest::Client::new().post(format!("http://{address}/graphql"));
        let request = request.header("accept", "text/event-stream");
        let request = request.json(&json!({ "query": FEED, "variables": variables }));
        let response = request.send().await.unwrap();
        assert!(response.status().is_success());
        Self {
            response,
            text: String::new(),
        }
    }

    async fn event(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(data) = event.strip_prefix("event: next\ndata: ") {
                    return serde_json::from_str(data).unwrap();
                }
                assert!(event.starts_with(':'), "{event}");
                continue;
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.unwrap();
            let chunk = chunk.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Subscribers over both transports.
struct Subscribers(Vec<Events>, Vec<Subscription>);

impl Subscribers {
    /// Some want all entries, and some those of an account, from different cursors on: that only chooses which events come.
    async fn open(address: &str, count: usize) -> Self {
        let variables = |n: usize| match n % 3 {
            0 => json!({ "after": "0" }),
            1 => json!({ "after": "0", "accounts": [{ "code": "cash" }] }),
            _ => json!({ "accounts": [{ "code": "alice" }, { "code": "cash" }], "after": "0" }),
        };
        let (mut events, mut sockets) = (Vec::new(), Vec::new());
        for n in 0..count {
            if n % 2 == 0 {
                events.push(Events::open(address, &variables(n / 2)).await);
            } else {
                let socket = Subscription::open(address, FEED, variables(n / 2)).await;
                sockets.push(socket.unwrap());
            }
        }
        Self(events, sockets)
    }

    /// The next event of each of them: it must be the same, with this entry.
    async fn hear(&mut self, entry: &Value) {
        let events = join_all(self.0.iter_mut().map(Events::event)).await;
        let sockets = join_all(self.1.iter_mut().map(Subscription::event)).await;
        let heard: Vec<_> = events.into_iter().chain(sockets).collect();
        assert_eq!(heard[0]["data"]["entryPosted"]["entry"]["id"], *entry);
        for other in &heard {
            assert_eq!(*other, heard[0]);
        }
    }
}

/// A client of a server that is a process of its own.
struct Client {
    http: reqwest::Client,
    address: String,
}

impl Client {
    async fn run(&self, query: &str, variables: Value) -> Value {
        let request = self.http.post(format!("http://{}/graphql", self.address));
        let body = json!({ "query": query, "variables": variables });
        let response = request.json(&body).send().await.unwrap();
        let mut response: Value = response.json().await.unwrap();
        assert_eq!(response.get("errors"), None, "{response}");
        response["data"].take()
    }

    async fn post(&self) -> Value {
        let input = json!({ "lines": [line("cash", "alice", 1, "EUR")] });
        let mut data = self.run(POST, json!({ "input": input })).await;
        data["postEntry"]["entry"]["id"].take()
    }

    async fn metric(&self, name: &str) -> u64 {
        let request = self.http.get(format!("http://{}/metrics", self.address));
        let text = request.send().await.unwrap().text().await.unwrap();
        let value = text.lines().find_map(|line| {
            let (key, value) = line.split_once(' ')?;
            (key == name).then(|| value.parse().unwrap())
        });
        value.unwrap_or_default()
    }
}

on_every_engine! {
    /// The statements of all units, with those that the server looks at the outbox with.
    async fn statements_do_not_grow_with_the_subscribers(test: TestDatabase) {
        const MOST: u64 = 30;
        let url = test.url().to_owned();
        let server = Process::start(&url);
        let client = Client { http: reqwest::Client::new(), address: server.address.clone() };
        for (code, side) in [("cash", "DEBIT"), ("alice", "CREDIT")] {
            let open = format!("mutation {{ openAccount(input: {{ code: \"{code}\", name: \"n\", currency: \"EUR\", normalSide: {side} }}) {{ account {{ id }} }} }}");
            client.run(&open, json!({})).await;
        }
        let mut subscribers = Subscribers::open(&server.address, 100).await;
        eventually("all have subscribed", async || client.metric("graphql_subscriptions_open").await == 100).await;
        // While the first event is told, some may still be reading the outbox.
        let first = client.post().await;
        subscribers.hear(&first).await;
        let before = client.metric("unit_of_work_statements_total").await;
        let shared = client.metric("unit_of_work_events_shared_total").await;
        let second = client.post().await;
        subscribers.hear(&second).await;
        let sent = client.metric("unit_of_work_statements_total").await - before;
        assert!(sent <= MOST, "{sent} statements for one event");
        // All but one, unless the machine was so busy that some waited for too long.
        let shared = client.metric("unit_of_work_events_shared_total").await - shared;
        assert!(shared >= 90, "{shared} of 100 got the response of another one");
    }
}

/// The read of an entry for an event.
fn reads_an_entry(sql: &str) -> bool {
    sql.contains("FROM \"entry\" WHERE")
}

/// The messages to PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_read_once() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let ledger = Ledger::serve_at(test, proxy.url(), DatabaseOptions::default()).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    ledger.open("alice", "EUR", "CREDIT", "NONE").await;
    let reads = || {
        let log = proxy.log();
        // A connection prepares a statement before it runs it for the first time.
        let log = log.iter().filter(|sql| !sql.starts_with("PREPARE"));
        log.filter(|sql| reads_an_entry(sql)).count()
    };
    let post = async || ledger.post("cash", "alice", 1).await["entry"]["id"].take();
    let first = post().await;
    let of_a_mutation = reads();
    let mut subscribers = Subscribers::open(ledger.address(), 30).await;
    subscribers.hear(&first).await;
    for _ in 0..3 {
        proxy.clear_log();
        let posted = post().await;
        subscribers.hear(&posted).await;
        assert_eq!(reads(), of_a_mutation + 1);
    }
}

/// The first read is lost with its connection, while all others wait for it: the client sees nothing of that, and neither do they.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_lost_is_read_again_for_all() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let ledger = Ledger::serve_at(test, proxy.url(), DatabaseOptions::default()).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    ledger.open("alice", "EUR", "CREDIT", "NONE").await;
    let mut subscribers = Subscribers::open(ledger.address(), 30).await;
    for _ in 0..3 {
        let read = proxy.hold(reads_an_entry);
        let posted = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        read.reached().await;
        read.cut();
        subscribers.hear(&posted).await;
    }
}
