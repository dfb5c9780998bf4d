//! Webhooks, through the real program, with a receiver that answers as each test wants.

mod delivery;
mod endpoints;
mod places;
mod poison;
mod position;
mod receiver;
mod secrets;
mod servers;

use std::time::Duration;

use serde_json::{Value, json};

use super::process::Process;
use super::server::{POST, line};

/// A server that starts on PostgreSQL settles what is there when all transactions of the database server have ended, and so those of
/// other tests.
const PATIENCE: Duration = Duration::from_secs(60);

const CREATE: &str = "mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id cursor status } secret } }";
const UPDATE: &str = "mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { webhook { id status events accounts { code } } } }";
const STATE: &str = "{ webhooks { id url events accounts { code } whenExhausted status cursor failedAttempts nextAttemptAt lastSuccessAt \
     lastFailureAt lastFailure previousSecretUntil deadLetterCount createdAt createdBy \
     deadLetters { cursor attempts failedAt reason isRequested } } }";

/// What lets a server send to this machine, and lets nobody wait for long: but for longer than a receiver on a busy machine takes.
const FLAGS: [&str; 6] = [
    "--webhook-allow-private",
    "--webhook-allow-http",
    "--webhook-timeout",
    "3s",
    "--webhook-first-wait",
    "50ms",
];

/// A client of one server.
struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    fn of(server: &Process) -> Self {
        Self::at(&format!("http://{}", server.address))
    }

    fn at(base: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("{base}/graphql"),
        }
    }

    async fn run(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let request = self.http.post(&self.url).timeout(PATIENCE).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.run(query, variables).await;
        assert_eq!(answer.get("errors"), None, "{query}: {answer}");
        answer["data"].take()
    }

    /// The code, the field and the message of the one error.
    async fn refused(&self, query: &str, variables: Value) -> (String, String, String) {
        let answer = self.run(query, variables).await;
        let error = &answer["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let extensions = &error["extensions"];
        (
            text(&extensions["code"]),
            text(&extensions["field"]),
            text(&error["message"]),
        )
    }

    async fn open(&self, codes: &[&str]) {
        for code in codes {
            let open = format!(
                "mutation {{ openAccount(input: {{ code: \"{code}\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }}) {{ account {{ id }} }} }}"
            );
            self.data(&open, json!({})).await;
        }
    }

    /// Posts an entry, and answers its id.
    async fn post(&self, debit: &str, credit: &str, amount: i64) -> String {
        let lines = json!([line(debit, credit, amount, "EUR")]);
        let data = self
            .data(POST, json!({ "input": { "lines": lines } }))
            .await;
        data["postEntry"]["entry"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Creates a webhook for entries, with what else is given, and answers its id and its secret.
    async fn hook(&self, url: &str, more: &Value) -> (String, String) {
        let mut input = json!({ "url": url, "events": ["ENTRY_POSTED"] });
        let more = more.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(more);
        let data = self.data(CREATE, json!({ "input": input })).await;
        let created = &data["createWebhook"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&created["webhook"]["id"]), text(&created["secret"]))
    }

    /// The only webhook.
    async fn state(&self) -> Value {
        self.data(STATE, json!({})).await["webhooks"][0].take()
    }

    async fn paused(&self, id: &str, paused: bool) -> Value {
        let input = json!({ "input": { "webhook": id, "paused": paused } });
        self.data(UPDATE, input).await["updateWebhook"]["webhook"].take()
    }
}
