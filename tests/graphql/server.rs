//! The whole server on a fresh database, in this process, and a client for it.

use std::net::SocketAddr;

use daybook::{
    command::serve,
    config::DatabaseUrl,
    database, graphql,
    http::{self, Access, Keys, Options, Stop, Tokens},
};
use daybook_test_harness::{Engine, Observer, TestDatabase, eventually};
use futures_util::{SinkExt, StreamExt};
use sea_orm::DbBackend;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;
use unit_of_work::DatabaseOptions;

use crate::http::access::SECRET;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Ledger {
    pub(super) test: TestDatabase,
    address: SocketAddr,
    /// The same as a text.
    host: String,
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Ledger {
    pub(super) async fn serve(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        Self::serve_at(test, &url, DatabaseOptions::default()).await
    }

    /// Serves a database that is reached by another URL than its own (through a proxy), or in another way.
    pub(super) async fn serve_at(test: TestDatabase, url: &str, options: DatabaseOptions) -> Self {
        Self::serve_with(test, url, options, |_| {}).await
    }

    /// Serves a database with this limit for the bytes of an answer.
    pub(super) async fn serve_bounded(
        test: TestDatabase,
        url: &str,
        options: DatabaseOptions,
        answer_bytes: usize,
    ) -> Self {
        let bound = |options: &mut Options| options.limits.answer_bytes = answer_bytes;
        Self::serve_with(test, url, options, bound).await
    }

    /// Serves a database with other options of what clients meet.
    async fn serve_with(
        test: TestDatabase,
        url: &str,
        options: DatabaseOptions,
        set: impl FnOnce(&mut Options),
    ) -> Self {
        let url = DatabaseUrl::parse(url).unwrap();
        let deadline = options.statement_timeout;
        let database = database::connect(&url, options).await.unwrap();
        database::migrate(&url).await.unwrap();
        let schema = graphql::operation_schema().unwrap();
        let mut options = http::options(database::readiness(&database), schema);
        options.operations = graphql::operations();
        set(&mut options);
        let schema = serve::schema(&database, deadline, options.limits.answer_bytes);
        let app = http::app(schema, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let shutdown = stop.clone().cancelled_owned();
        let times = Stop {
            notice: Duration::ZERO,
            drain: Duration::ZERO,
        };
        tokio::spawn(http::serve(listener, app, shutdown, times));
        Self {
            test,
            address,
            host: address.to_string(),
            client: reqwest::Client::new(),
            stop,
        }
    }

    /// As [`Ledger::with_accounts`], where an answer may have so many fields.
    pub(super) async fn with_complexity(test: TestDatabase, most: usize) -> Self {
        let url = test.url().to_owned();
        let limit = |options: &mut Options| options.limits.complexity = most;
        let ledger = Self::serve_with(test, &url, DatabaseOptions::default(), limit).await;
        ledger.open_accounts().await;
        ledger
    }

    /// A server with the accounts `cash` (debit, no limit) and `alice` (credit, no overdraft) in euros.
    pub(super) async fn with_accounts(test: TestDatabase) -> Self {
        let ledger = Self::serve(test).await;
        ledger.open_accounts().await;
        ledger
    }

    async fn open_accounts(&self) {
        self.open("cash", "EUR", "DEBIT", "NONE").await;
        self.open("alice", "EUR", "CREDIT", "NO_DEBIT_OVERDRAFT")
            .await;
    }

    /// A server that asks for tokens, which [`sign`] makes.
    pub(super) async fn guarded(test: TestDatabase) -> Self {
        Self::guarded_with(test, |_| {}).await
    }

    /// As [`Ledger::guarded`], with other options.
    pub(super) async fn guarded_with(test: TestDatabase, with: impl FnOnce(&mut Options)) -> Self {
        let url = test.url().to_owned();
        let tokens = Tokens::new(Keys::from_secret(SECRET).unwrap(), "issuer", "daybook");
        let engine = match test.engine() {
            Engine::MariaDb => DbBackend::MySql,
            Engine::Sqlite => DbBackend::Sqlite,
            Engine::Postgres => DbBackend::Postgres,
        };
        let mut tokens = tokens
            .granting(graphql::grant_on(engine))
            .viewers_are_alike();
        if engine != DbBackend::MySql {
            tokens = tokens.for_ledgers();
        }
        let set = |options: &mut Options| {
            options.authentication = Access::Tokens(tokens);
            with(options);
        };
        let at = DatabaseUrl::parse(&url).unwrap();
        database::migrate(&at).await.unwrap();
        if engine != DbBackend::MySql {
            database::confine(&at).await.unwrap();
        }
        Self::serve_with(test, &url, DatabaseOptions::default(), set).await
    }

    /// What the refusal of an operation tells programs, without what every refusal has.
    pub(super) async fn refusal(&self, query: &str, variables: Value) -> Value {
        let mut error = self.error(query, variables).await;
        let mut extensions = error["extensions"].take();
        let details = extensions.as_object_mut().unwrap();
        assert_eq!(details.remove("retryable"), Some(json!(false)));
        details.remove("accountId");
        extensions
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.host
    }

    pub(super) fn engine(&self) -> Engine {
        self.test.engine()
    }

    pub(super) async fn observer(&self) -> Observer {
        self.test.observer().await
    }

    /// A POST of this JSON to `/graphql`, to be sent.
    pub(super) fn request(&self, body: &Value) -> reqwest::RequestBuilder {
        self.client
            .post(format!("http://{}/graphql", self.address))
            .timeout(PATIENCE)
            .json(body)
    }

    /// Runs an operation over HTTP and answers the whole response.
    pub(super) async fn run(&self, query: &str, variables: Value) -> Value {
        let response = self
            .request(&json!({ "query": query, "variables": variables }))
            .header("x-unit-of-work", "report")
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    /// Runs an operation as a dry run, over HTTP.
    pub(super) async fn dry_run(&self, query: &str, variables: Value) -> Value {
        let response = self
            .client
            .post(format!("http://{}/graphql", self.address))
            .header("x-dry-run", "true")
            .json(&json!({ "query": query, "variables": variables }))
            .timeout(PATIENCE)
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    /// Runs an operation that must succeed, and answers its data.
    pub(super) async fn data(&self, query: &str, variables: Value) -> Value {
        let mut response = self.run(query, variables).await;
        assert_eq!(response.get("errors"), None, "{query}: {response}");
        response["data"].take()
    }

    /// Runs an operation that must fail with one error, and answers that.
    pub(super) async fn error(&self, query: &str, variables: Value) -> Value {
        let mut response = self.run(query, variables).await;
        assert_eq!(
            response["errors"].as_array().map(Vec::len),
            Some(1),
            "{query}: {response}"
        );
        assert_eq!(response["data"], Value::Null, "{query}: {response}");
        response["errors"][0].take()
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.address);
        let response = self.client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(super) async fn open(&self, code: &str, currency: &str, side: &str, policy: &str) -> Value {
        let input = json!({ "code": code, "name": code, "currency": currency, "normalSide": side, "limitPolicy": policy });
        let query = "mutation ($input: OpenAccountInput!) { openAccount(input: $input) { account { id code } } }";
        self.data(query, json!({ "input": input })).await["openAccount"]["account"].take()
    }

    /// Moves `amount` from a debit account to a credit account, in euros.
    pub(super) async fn post(&self, debit: &str, credit: &str, amount: i64) -> Value {
        let lines = json!([line(debit, credit, amount, "EUR")]);
        self.data(POST, json!({ "input": { "lines": lines } }))
            .await["postEntry"]
            .take()
    }

    /// The posted balance of an account, in minor units, as the database has it.
    pub(super) async fn balance(&self, code: &str) -> i64 {
        let sql = format!(
            "SELECT CASE normal_side WHEN 'DEBIT' THEN debits_posted - credits_posted \
             ELSE credits_posted - debits_posted END FROM account WHERE code = '{code}'"
        );
        self.observer().await.i64(&sql).await
    }

    pub(super) async fn count(&self, table: &str) -> i64 {
        if table.starts_with("outbox") {
            self.numbered().await;
        }
        self.observer()
            .await
            .i64(&format!("SELECT COUNT(*) FROM {table}"))
            .await
    }

    /// Waits until every event has its number. On MariaDB, the server sees to that while somebody subscribes.
    pub(super) async fn numbered(&self) {
        if self.engine() != Engine::MariaDb {
            return;
        }
        let _feed = self
            .subscribe("subscription { entryPosted { cursor } }", json!({}))
            .await;
        let observer = self.observer().await;
        let unnumbered = "SELECT COUNT(*) FROM outbox_unnumbered";
        eventually("events have numbers", async || {
            observer.i64(unnumbered).await == 0
        })
        .await;
    }

    /// A socket on which `query` has been subscribed to.
    pub(super) async fn subscribe(&self, query: &str, variables: Value) -> Subscription {
        let address = self.address.to_string();
        Subscription::open(&address, query, variables)
            .await
            .unwrap()
    }
}

/// `postEntry`, with what most tests look at.
pub(super) const POST: &str = "mutation ($input: PostEntryInput!) {
  postEntry(input: $input) {
    entry { id kind description effectiveAt recordedAt lines { id amount { amount decimal currency } } }
    accounts { id code balances { posted { amount } version } }
  }
}";

/// A line of `postEntry`.
pub(super) fn line(debit: &str, credit: &str, amount: i64, currency: &str) -> Value {
    json!({ "debit": { "code": debit }, "credit": { "code": credit }, "amount": amount.to_string(), "currency": currency })
}

pub(crate) struct Subscription(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Subscription {
    /// Connects and subscribes; `None` when the server goes meanwhile, or is not there.
    pub(crate) async fn open(address: &str, query: &str, variables: Value) -> Option<Self> {
        Self::open_with(address, Value::Null, query, variables).await
    }

    /// As [`Subscription::open`], with this payload of `connection_init`, if it is not null.
    pub(crate) async fn open_with(
        address: &str,
        init: Value,
        query: &str,
        variables: Value,
    ) -> Option<Self> {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await.ok()?;
        let mut subscription = Self(socket);
        let init = match init {
            Value::Null => json!({ "type": "connection_init" }),
            payload => json!({ "type": "connection_init", "payload": payload }),
        };
        subscription.try_send(init).await?;
        assert_eq!(subscription.try_message().await?["type"], "connection_ack");
        let payload = json!({ "query": query, "variables": variables });
        subscription
            .try_send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
            .await?;
        Some(subscription)
    }

    async fn try_send(&mut self, message: Value) -> Option<()> {
        self.0.send(Message::text(message.to_string())).await.ok()
    }

    async fn try_message(&mut self) -> Option<Value> {
        // Around the whole loop: the server's pings are no messages.
        timeout(PATIENCE, async {
            loop {
                match self.0.next().await?.ok()? {
                    Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                    Message::Close(_) => return None,
                    _ => {}
                }
            }
        })
        .await
        .expect("a message in time")
    }

    async fn send(&mut self, message: Value) {
        self.try_send(message).await.unwrap();
    }

    pub(super) async fn message(&mut self) -> Value {
        self.try_message().await.unwrap()
    }

    /// The payload of the next event; `None` when the server has gone.
    pub(super) async fn try_event(&mut self) -> Option<Value> {
        let mut message = self.try_message().await?;
        assert_eq!(message["type"], "next", "{message}");
        Some(message["payload"].take())
    }

    /// The payload of the next event.
    pub(crate) async fn event(&mut self) -> Value {
        self.try_event().await.unwrap()
    }

    /// Waits until the server has taken up everything that was sent on this socket, the subscription included.
    pub(crate) async fn settled(&mut self) {
        let query = json!({ "query": "{ __typename }" });
        self.send(json!({ "type": "subscribe", "id": "settled", "payload": query }))
            .await;
        assert_eq!(self.message().await["type"], "next");
        assert_eq!(self.message().await["type"], "complete");
    }
}
