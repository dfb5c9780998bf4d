//! A complete server of notes, with keys of its own for readers and writers: `cargo run -p graphql-service --example notes`, then
//!
//! ```sh
//! curl -s 127.0.0.1:8002/graphql -H 'content-type: application/json' -H 'x-key: writer' \
//!     -d '{"query": "mutation { add(text: \"buy bread\") }"}'
//! curl -sN 127.0.0.1:8002/graphql -H 'content-type: application/json' -H 'x-key: reader' \
//!     -H 'accept: text/event-stream' -d '{"query": "subscription { notes }"}'
//! ```

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::{
    Context, Object, Request, Schema, Subscription,
    futures_util::{Stream, StreamExt, stream},
    parser::types::OperationType,
};
use axum::http::HeaderMap;
use graphql_service::{
    Authentication, Caller, Init, Limits, Options, Refusal, RequestErrors, Stop, app, serve,
};
use serde_json::{Map, Value as Json};
use tokio::{net::TcpListener, sync::watch, time::Instant};

struct Notes {
    texts: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Notes {
    fn texts(&self) -> MutexGuard<'_, Vec<String>> {
        // Nothing can panic while the lock is held.
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notes<'a>(ctx: &Context<'a>) -> &'a Notes {
    ctx.data_unchecked()
}

struct Query;

#[Object]
impl Query {
    async fn notes(&self, ctx: &Context<'_>) -> Vec<String> {
        notes(ctx).texts().clone()
    }
}

struct Mutation;

#[Object]
impl Mutation {
    /// Adds a note, and returns how many there are.
    async fn add(&self, ctx: &Context<'_>, text: String) -> usize {
        let Role(role) = ctx.data_unchecked();
        let notes = notes(ctx);
        let mut texts = notes.texts();
        texts.push(format!("{role}: {text}"));
        notes.count.send_replace(texts.len());
        texts.len()
    }
}

struct Subscriptions;

#[Subscription]
impl Subscriptions {
    /// All notes, each time that one is added.
    async fn notes<'a>(&self, ctx: &Context<'a>) -> impl Stream<Item = Vec<String>> + 'a {
        let notes = notes(ctx);
        let now = stream::iter([notes.texts().clone()]);
        let later = stream::unfold(notes.count.subscribe(), async |mut count| {
            count.changed().await.ok()?;
            Some(((), count))
        });
        now.chain(later.map(|()| notes.texts().clone()))
    }
}

/// Who calls, for resolvers.
struct Role(&'static str);

/// Callers show a key: in the header `x-key`, or in the payload of `connection_init`.
#[derive(Clone)]
struct Keys;

#[derive(Clone)]
enum Known {
    Reader,
    Writer,
}

impl Keys {
    fn find(key: &str) -> Option<Known> {
        match key {
            "reader" => Some(Known::Reader),
            "writer" => Some(Known::Writer),
            _ => None,
        }
    }
}

impl Authentication for Keys {
    type Caller = Known;

    async fn of_request(&self, headers: &HeaderMap) -> Result<Known, Refusal> {
        let key = headers.get("x-key").and_then(|key| key.to_str().ok());
        key.and_then(Self::find)
            .ok_or_else(|| Refusal::unauthenticated("Key", "the header `x-key` has no known key"))
    }

    async fn of_handshake(&self, headers: &HeaderMap) -> Result<Option<Known>, Refusal> {
        if !headers.contains_key("x-key") {
            return Ok(None);
        }
        self.of_request(headers).await.map(Some)
    }

    async fn of_init(&self, payload: &Map<String, Json>) -> Init<Known> {
        let Some(key) = payload.get("key") else {
            return Init::Silent;
        };
        key.as_str()
            .and_then(Self::find)
            .map_or(Init::Refused, Init::Caller)
    }
}

impl Caller for Known {
    fn may(&self, kind: OperationType) -> Result<(), Refusal> {
        match (self, kind) {
            (Self::Writer, _)
            | (Self::Reader, OperationType::Query | OperationType::Subscription) => Ok(()),
            (Self::Reader, OperationType::Mutation) => {
                Err(Refusal::forbidden("this key is for reading"))
            }
        }
    }

    fn attach(&self, request: &mut Request, _: OperationType) {
        request.data.insert(Role(self.role()));
    }

    fn name(&self) -> Option<&str> {
        Some(self.role())
    }

    fn expires(&self) -> Option<Instant> {
        None
    }

    fn audience(&self) -> String {
        self.role().to_owned()
    }
}

impl Known {
    fn role(&self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::default();
    let schema = Schema::build(Query, Mutation, Subscriptions)
        .extension(RequestErrors::within(&limits))
        .data(Notes {
            texts: Mutex::default(),
            count: watch::Sender::new(0),
        })
        .finish();

    let definition = graphql_operation::Schema::parse(&schema.sdl())?;
    // By default the server answers only to the names of loopback, so that a page of another site cannot reach it by a name of its own.
    let options = Options::new(definition, Keys).limits(limits);

    let listener = TcpListener::bind("127.0.0.1:8002").await?;
    let shutdown = async {
        // If it cannot wait for the signal, it serves until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let stop = Stop {
        notice: Duration::ZERO,
        drain: Duration::from_secs(10),
    };
    serve(listener, app(schema, options), shutdown, stop).await;
    Ok(())
}
