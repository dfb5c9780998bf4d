//! Idempotency keys: a mutation that is sent again with the same key is answered again, and not done again.
//!
//! A client that has not heard an answer (`OUTCOME_UNKNOWN`, a lost connection, a crash of its own) sends the same
//! operation with the same key, and gets the response of the one that was committed; if none was, it runs now.
//!
//! | with a key that | happens |
//! |---|---|
//! | is new, or has expired | the mutation runs; its key and its response are rows of its own transaction |
//! | has a response, and the same operation and variables | the stored response, marked as replayed; nothing runs |
//! | has a response, and another operation or other variables | `IDEMPOTENCY_KEY_REUSED`; nothing runs |
//! | another mutation holds that has not ended | it waits for that one, and then is one of the other rows |
//! | belonged to a mutation that was rolled back | as if it were new: the key went with the rest |
//!
//! The key is in `extensions.idempotencyKey` of the request, or an [`IdempotencyKey`] in its data, where a transport
//! puts it that has headers. Keys belong to the [`Viewer`] in the request's data; without one, all clients share them.
//!
//! A replay is marked by `extensions.idempotency.replayed`, by the HTTP header `idempotency-replayed: true`, and where
//! a report was asked for by the outcome `REPLAYED`.
//!
//! A key is claimed before the first resolver runs, by one INSERT on which a concurrent holder of the same key is
//! waited for: two at once cannot both run. Where the writer's isolation is stricter than READ COMMITTED, PostgreSQL
//! answers the one that waited with a serialization failure instead, which is a conflict like any other.
//!
//! Only mutations are recorded: a query is safe to send again, and its key is ignored. A mutation with a key on a schema
//! without [`UnitOfWorkExtension::idempotency`](crate::UnitOfWorkExtension::idempotency) is refused, because its client
//! believes that it is protected.
//!
//! The table is the application's, in the database of its data: `idempotency::Migration` (feature `migration`) for its
//! `Migrator`, or [`create_table`] for other tools. [`sweep`] deletes what has expired.
//!
//! A response is kept as it was sent, headers included: who can read the table can read it.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Request, Response, ServerError, Value, Variables, extensions::ExtensionContext,
    parser::types::ExecutableDocument,
};
use sea_orm::DbErr;
use uuid::Uuid;

use crate::{
    Access, UnitOfWork, codes,
    operation::respond::coded,
    unit::{Ending, evidence::Evidence},
};

mod fingerprint;
mod key;
#[cfg(feature = "migration")]
mod migration;
mod settings;
mod stored;
mod table;

pub use key::{IdempotencyKey, InvalidIdempotencyKey, Viewer};
#[cfg(feature = "migration")]
pub use migration::Migration;
pub use settings::IdempotencySettings;
pub use table::{create_table, drop_table, sweep};

use stored::Stored;
use table::Claim;

/// A key, whose it is, and what it was given for.
struct Ticket {
    viewer: Viewer,
    key: IdempotencyKey,
    /// Known as soon as the document is: a request may name it only.
    fingerprint: OnceLock<String>,
}

impl Ticket {
    /// What the key was given for.
    ///
    /// # Errors
    /// Where nobody has seen the document.
    fn fingerprint(&self) -> Result<&str, DbErr> {
        let fingerprint = self.fingerprint.get().map(String::as_str);
        fingerprint.ok_or_else(|| DbErr::Custom("the operation's document is not known".to_owned()))
    }
}

/// The idempotency of one request.
pub(crate) struct Idempotency {
    settings: Option<Arc<IdempotencySettings>>,
    /// The request's key, if it has one; or what is wrong with it, to be said if the operation is a mutation.
    ticket: OnceLock<Result<Ticket, ServerError>>,
}

impl Idempotency {
    pub(crate) fn new(settings: Option<Arc<IdempotencySettings>>) -> Self {
        Self {
            settings,
            ticket: OnceLock::new(),
        }
    }

    /// Takes the key out of a request that is whole.
    pub(crate) fn prepare(&self, ctx: &ExtensionContext<'_>, request: &Request) {
        let ticket = match key_of(ctx, request) {
            Ok(None) => return,
            Ok(Some(_)) if self.settings.is_none() => Err(not_enabled()),
            Ok(Some(_)) if !request.uploads.is_empty() => Err(invalid(
                "An operation with uploads cannot have an idempotency key: their contents are not compared.",
            )),
            Ok(Some(key)) => Ok(Ticket {
                viewer: find(ctx, request).unwrap_or_default(),
                key,
                fingerprint: OnceLock::new(),
            }),
            Err(error) => Err(error),
        };
        self.ticket.get_or_init(|| ticket);
    }

    /// Notes what the key was given for.
    pub(crate) fn parsed(
        &self,
        operation_name: Option<&str>,
        query: &str,
        document: &ExecutableDocument,
        variables: &Variables,
    ) {
        if let Some(Ok(ticket)) = self.ticket.get() {
            ticket
                .fingerprint
                .get_or_init(|| fingerprint::of(operation_name, query, document, variables));
        }
    }

    /// Whether the request has a key.
    pub(crate) fn has_key(&self) -> bool {
        self.ticket.get().is_some()
    }

    /// Why a mutation with this request's key cannot run.
    pub(crate) fn refusal(&self) -> Option<ServerError> {
        self.ticket.get()?.as_ref().err().cloned()
    }

    /// Runs the resolvers of an operation, unless the key of the request has a response already. Whatever this writes
    /// is written in the operation's own unit. A dry run is not recorded, and replays nothing.
    pub(crate) async fn run(
        &self,
        unit: &UnitOfWork,
        dry_run: bool,
        resolvers: impl Future<Output = Response>,
    ) -> Response {
        match (&self.settings, self.ticket.get()) {
            (Some(settings), Some(Ok(ticket)))
                if unit.access() == Access::ReadWrite && !dry_run =>
            {
                // Boxed: most operations have no key.
                Box::pin(once(settings, ticket, unit, resolvers))
                    .await
                    .unwrap_or_else(failed)
            }
            _ => resolvers.await,
        }
    }
}

async fn once(
    settings: &IdempotencySettings,
    ticket: &Ticket,
    unit: &UnitOfWork,
    resolvers: impl Future<Output = Response>,
) -> Result<Response, DbErr> {
    match table::claim(unit, ticket, settings.now(), settings.expiry()).await? {
        Claim::Fresh => {
            let response = resolvers.await;
            if response.is_ok() && unit.doom().is_none() {
                let attempt = Uuid::new_v4();
                table::record(unit, ticket, &Stored::of(&response, attempt)?).await?;
                if settings.is_kept_long() {
                    unit.key_is_evidence(|| Evidence::Key {
                        viewer: ticket.viewer.0.clone(),
                        key: ticket.key.as_str().to_owned(),
                        begins: Stored::beginning(attempt),
                    });
                }
            }
            Ok(response)
        }
        Claim::Done(stored) => {
            // Nothing was written, and nothing is to be committed.
            unit.decide(Ending::Replay);
            Ok(replayed(stored.into_response()))
        }
        Claim::Reused => Ok(Response::from_errors(vec![reused()])),
    }
}

/// `extensions.idempotencyKey`, or the key in the request's data; not two different ones.
fn key_of(
    ctx: &ExtensionContext<'_>,
    request: &Request,
) -> Result<Option<IdempotencyKey>, ServerError> {
    let given = find::<IdempotencyKey>(ctx, request);
    let written = match request.extensions.get("idempotencyKey") {
        None | Some(Value::Null) => return Ok(given),
        Some(Value::String(key)) => {
            IdempotencyKey::new(key).map_err(|error| invalid(&format!("{error}.")))?
        }
        Some(_) => return Err(invalid("`extensions.idempotencyKey` must be a string.")),
    };
    match given {
        Some(given) if given != written => Err(invalid(
            "The request has two idempotency keys, and they differ.",
        )),
        _ => Ok(Some(written)),
    }
}

/// What is in the request's data, or in that of its connection or schema. While a request is prepared its data is not
/// yet in the context.
fn find<T: Clone + Send + Sync + 'static>(
    ctx: &ExtensionContext<'_>,
    request: &Request,
) -> Option<T> {
    request
        .data
        .get(&std::any::TypeId::of::<T>())
        .and_then(|data| data.downcast_ref())
        .or_else(|| ctx.data_opt())
        .cloned()
}

fn replayed(mut response: Response) -> Response {
    let mark = Value::from_json(serde_json::json!({ "replayed": true })).unwrap_or_default();
    response.extensions.insert("idempotency".to_owned(), mark);
    response.http_headers.insert(
        http::HeaderName::from_static("idempotency-replayed"),
        http::HeaderValue::from_static("true"),
    );
    response
}

/// An error that is told like one that a resolver met: masked, and with a conflict's code if it is one.
fn failed(error: DbErr) -> Response {
    let mut shown = ServerError::new("the idempotency key could not be recorded", None);
    shown.source = Some(Arc::new(error));
    Response::from_errors(vec![shown])
}

fn reused() -> ServerError {
    coded(
        "This idempotency key was used for another operation, or with other variables. Use a new key for a new operation.",
        codes::IDEMPOTENCY_KEY_REUSED,
        false,
    )
}

fn invalid(message: &str) -> ServerError {
    coded(message, codes::IDEMPOTENCY_KEY_INVALID, false)
}

fn not_enabled() -> ServerError {
    coded(
        "This server does not record idempotency keys, so the operation was not run. Send it without a key.",
        codes::IDEMPOTENCY_NOT_ENABLED,
        false,
    )
}
