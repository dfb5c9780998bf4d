//! Idempotency keys: a mutation that is sent again with the same key is answered again, but does not run again.
//!
//! A client without an answer (`OUTCOME_UNKNOWN`, a lost connection, a crash of its own) sends the same operation with the same key. If the
//! first one was committed, the client gets its response; if not, the operation runs now.
//!
//! | with a key that | happens |
//! |---|---|
//! | is new, or has expired | the mutation runs; its key and its response are rows of its own transaction |
//! | has a response, and the same operation, variables and settings | the stored response, marked as replayed; nothing runs |
//! | has a response, and another operation, other variables or other [`SessionSettings`](crate::SessionSettings) | `IDEMPOTENCY_KEY_REUSED`; nothing runs |
//! | is held by another mutation that is still running | it waits for that one; then one of the other rows applies |
//! | belonged to a mutation that was rolled back | as if it were new: the key was rolled back too |
//!
//! The key is in `extensions.idempotencyKey` of the request, or an [`IdempotencyKey`] in its data, where a transport with headers puts it.
//! Keys belong to the [`Viewer`] in the request's data; without one, all clients share them.
//!
//! A replay is marked by `extensions.idempotency.replayed`, by the HTTP header `idempotency-replayed: true`, and in a report by the outcome
//! `REPLAYED`.
//!
//! A key is claimed before the first resolver runs, by one INSERT. That waits for a concurrent holder of the same key, so two cannot run at
//! once. If the writer's isolation is stricter than READ COMMITTED, PostgreSQL answers the one that waited with a serialization failure,
//! which is a conflict like any other.
//!
//! Only mutations are recorded: a query is safe to send again, and its key is ignored. On a schema without
//! [`UnitOfWorkExtension::idempotency`](crate::UnitOfWorkExtension::idempotency), a mutation with a key is refused, because its client
//! relies on the protection.
//!
//! Keys are recorded with the feature `idempotency`, which is on by default. Without it, a mutation with a key is refused in the same way.
//!
//! The table belongs to the application, in the database of its data. Create it with `idempotency::Migration` (feature `migration`) in its
//! `Migrator`, or with [`create_table`] for other tools. [`sweep`] deletes expired keys.
//!
//! A response is stored as it was sent, with its headers: whoever can read the table can read it.

use std::sync::OnceLock;

use async_graphql::{
    Request, Response, ServerError, Value, Variables, extensions::ExtensionContext,
    parser::types::ExecutableDocument,
};

use crate::{Access, UnitOfWork, codes, operation::respond::coded};

mod key;

#[cfg(feature = "idempotency")]
mod clock;
#[cfg(feature = "idempotency")]
mod fingerprint;
#[cfg(all(feature = "idempotency", feature = "migration"))]
mod migration;
#[cfg(feature = "idempotency")]
mod recorder;
#[cfg(feature = "idempotency")]
mod settings;
#[cfg(feature = "idempotency")]
mod stored;
#[cfg(feature = "idempotency")]
mod table;

pub use key::{IdempotencyKey, InvalidIdempotencyKey, Viewer};
#[cfg(all(feature = "idempotency", feature = "migration"))]
pub use migration::Migration;
#[cfg(feature = "idempotency")]
pub use settings::IdempotencySettings;
#[cfg(feature = "idempotency")]
pub use table::{create_table, drop_table, sweep};

#[cfg(not(feature = "idempotency"))]
pub(crate) use absent::{Recorder, Ticket};
#[cfg(feature = "idempotency")]
pub(crate) use recorder::{Recorder, Ticket};

/// The module without the feature: nothing records keys, so every mutation with one is refused.
#[cfg(not(feature = "idempotency"))]
mod absent {
    use async_graphql::{Response, Variables, parser::types::ExecutableDocument};

    use super::{IdempotencyKey, Viewer};
    use crate::UnitOfWork;

    #[derive(Clone, Debug)]
    pub(crate) enum Recorder {}

    #[derive(Debug)]
    pub(crate) struct Ticket;

    impl Ticket {
        #[cfg(feature = "axum")]
        pub(crate) fn given_for(&self, _: &[u8]) {}

        pub(crate) fn parsed(
            &self,
            _: Option<&str>,
            _: &str,
            _: &ExecutableDocument,
            _: &Variables,
        ) {
        }
    }

    impl Recorder {
        pub(crate) fn ticket(&self, _: Viewer, _: IdempotencyKey) -> Ticket {
            match *self {}
        }

        pub(crate) async fn run(
            &self,
            _: &Ticket,
            _: &UnitOfWork,
            _: impl Future<Output = Response>,
        ) -> Response {
            match *self {}
        }
    }
}

/// The idempotency of one request.
pub(crate) struct Idempotency {
    /// The recorder of keys, if the application has enabled it.
    recorder: Option<Recorder>,
    /// The request's key, if it has one; or the error of a wrong key, for the case that the operation is a mutation.
    ticket: OnceLock<Result<Ticket, ServerError>>,
}

impl Idempotency {
    pub(crate) fn new(recorder: Option<Recorder>) -> Self {
        Self {
            recorder,
            ticket: OnceLock::new(),
        }
    }

    /// Reads the key of a request, after all extensions have prepared the request.
    pub(crate) fn prepare(&self, ctx: &ExtensionContext<'_>, request: &Request) {
        let ticket = match (key_of(ctx, request), &self.recorder) {
            (Ok(None), _) => return,
            (Ok(Some(_)), None) => Err(not_enabled()),
            (Ok(Some(_)), Some(_)) if !request.uploads.is_empty() => Err(invalid(
                "An operation with uploads cannot have an idempotency key: their contents are not compared.",
            )),
            (Ok(Some(key)), Some(recorder)) => {
                let viewer = find(ctx, request).unwrap_or_default();
                Ok(recorder.ticket(viewer, key))
            }
            (Err(error), _) => Err(error),
        };
        self.ticket.get_or_init(|| ticket);
    }

    /// Notes the operation for which the key was given.
    pub(crate) fn parsed(
        &self,
        operation_name: Option<&str>,
        query: &str,
        document: &ExecutableDocument,
        variables: &Variables,
    ) {
        if let Some(Ok(ticket)) = self.ticket.get() {
            ticket.parsed(operation_name, query, document, variables);
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

    /// Runs the resolvers of an operation, unless the request's key already has a response. Everything is written in the operation's own
    /// unit. A dry run is not recorded, and replays nothing.
    pub(crate) async fn run(
        &self,
        unit: &UnitOfWork,
        dry_run: bool,
        resolvers: impl Future<Output = Response>,
    ) -> Response {
        match (&self.recorder, self.ticket.get()) {
            (Some(recorder), Some(Ok(ticket)))
                if unit.access() == Access::ReadWrite && !dry_run =>
            {
                // Boxed: most operations have no key.
                Box::pin(recorder.run(ticket, unit, resolvers)).await
            }
            _ => resolvers.await,
        }
    }
}

/// The key in `extensions.idempotencyKey` or in the request's data. Two different keys are an error.
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

/// Finds a value in the request's data, or in that of its connection or schema. While a request is prepared, its data is not in the context
/// yet.
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
