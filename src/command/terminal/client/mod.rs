//! Asks a ledger. Questions are operations of the public GraphQL API, whichever way they go: to a server, or to the same service in this
//! process, on a database that is opened here. So there is one implementation of everything.

mod in_process;
mod server;

use std::time::Duration;

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{Response, StatusCode},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json, json};

use super::failure::{Failure, GraphqlError, Outcome};
use crate::config::{Place, TerminalSettings};

/// The largest answer that is read: more than a server sends by default.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A way to a ledger.
#[async_trait]
pub(super) trait Transport: Send + Sync {
    /// Sends the JSON of a request to `/graphql`, and returns the answer, whatever its status.
    ///
    /// # Errors
    /// [`Undelivered`] if there is no complete answer.
    async fn send(&self, request: Bytes) -> Result<Response<Bytes>, Undelivered>;

    /// Ends what the way has open.
    async fn close(&self) {}
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// The request was not sent.
    NotSent(String),
    /// The request may have been sent, and executed.
    Unanswered(String),
}

/// What to ask.
pub(super) struct Ask<'a> {
    /// The document; one operation.
    pub(super) document: &'a str,
    /// Its variables: an object.
    pub(super) variables: Json,
    /// What it does beside reading.
    pub(super) writes: Option<Writes<'a>>,
}

/// How a mutation is executed.
#[derive(Default)]
pub(super) struct Writes<'a> {
    /// The key by which a repeated request is known.
    pub(super) idempotency_key: Option<&'a str>,
    /// Whether nothing is to be done.
    pub(super) dry_run: bool,
}

/// What was answered.
pub(super) struct Answer<T> {
    /// The data.
    pub(super) data: T,
    /// Whether the answer is that of an earlier request with the same idempotency key.
    pub(super) replayed: bool,
}

/// A GraphQL response.
#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    errors: Vec<GraphqlError>,
    #[serde(default)]
    data: Json,
    #[serde(default)]
    extensions: Map<String, Json>,
}

/// Asks one ledger.
pub(super) struct Client {
    transport: Box<dyn Transport>,
    timeout: Duration,
}

/// Whether a command only reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

impl Client {
    /// A client for the ledger that the settings name.
    ///
    /// # Errors
    /// A [`Failure`] if a database cannot be opened or is no ledger of this version. A server is first reached when it is asked.
    pub(super) async fn open(settings: &TerminalSettings, to: Use) -> Result<Self, Failure> {
        let timeout = settings.timeout;
        let transport: Box<dyn Transport> = match &settings.place {
            Place::Server(place) => Box::new(server::Server::new(place, timeout)?),
            Place::Database(url) => Box::new(in_process::InProcess::open(url, timeout, to).await?),
        };
        Ok(Self { transport, timeout })
    }

    /// Asks.
    ///
    /// # Errors
    /// A [`Failure`] if the answer is an error, or there is none. If a mutation may have been executed all the same, its outcome is
    /// [`Outcome::Unknown`].
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
    ) -> Result<Answer<T>, Failure> {
        // The deadline of the server itself holds, too, if it is shorter.
        let mut extensions = Map::new();
        let timeout = humantime::format_duration(self.timeout).to_string();
        extensions.insert("timeout".to_owned(), timeout.into());
        if let Some(writes) = &ask.writes {
            if let Some(key) = writes.idempotency_key {
                extensions.insert("idempotencyKey".to_owned(), key.into());
            }
            if writes.dry_run {
                extensions.insert("dryRun".to_owned(), true.into());
            }
        }
        let request =
            json!({ "query": ask.document, "variables": ask.variables, "extensions": extensions });
        // What becomes of a mutation whose answer cannot be read is not known; a query can be asked again.
        let (unanswered, unread) = match &ask.writes {
            Some(writes) if !writes.dry_run => (Outcome::Unknown, Outcome::Unknown),
            _ => (Outcome::NotNow, Outcome::Failed),
        };
        let response = self.transport.send(request.to_string().into()).await;
        let response = response.map_err(|error| match error {
            Undelivered::NotSent(problem) => Failure::new(Outcome::NotNow, problem),
            Undelivered::Unanswered(problem) => Failure::new(unanswered, problem),
        })?;
        let status = response.status();
        let answered: Answered = serde_json::from_slice(response.body())
            .map_err(|_| not_graphql(status, unanswered, unread))?;
        if let Some(error) = answered.errors.into_iter().next() {
            return Err(Failure::told(error));
        }
        let data = T::deserialize(answered.data).map_err(|error| {
            let problem = format!("the answer is not what this version of Daybook knows: {error}");
            Failure::new(unread, problem)
        })?;
        let replayed = answered
            .extensions
            .get("idempotency")
            .is_some_and(|it| it["replayed"] == true);
        Ok(Answer { data, replayed })
    }

    /// Ends what is open.
    pub(super) async fn close(self) {
        self.transport.close().await;
    }
}

/// Why an answer is not one of GraphQL: a proxy answers in the server's place, or the URL is that of something else.
fn not_graphql(status: StatusCode, unanswered: Outcome, unread: Outcome) -> Failure {
    let problem = format!("the answer is {status}, and not one of GraphQL: is --server right?");
    let outcome = match status {
        _ if status.is_success() => unread,
        // A proxy in front of the server may have given up on a request that the server executed.
        _ if status.is_server_error() => unanswered,
        _ => Outcome::Failed,
    };
    Failure::new(outcome, problem)
}

/// A page of a connection.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) edges: Vec<Edge<T>>,
    #[serde(rename = "pageInfo")]
    pub(super) info: PageInfo,
}

#[derive(Debug, Deserialize)]
pub(super) struct Edge<T> {
    pub(super) node: T,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The cursor of the next page; `None` if this is the last.
    pub(super) fn next(&self) -> Option<String> {
        self.info
            .end_cursor
            .clone()
            .filter(|_| self.info.has_next_page)
    }

    pub(super) fn into_nodes(self) -> impl Iterator<Item = T> {
        self.edges.into_iter().map(|edge| edge.node)
    }
}
