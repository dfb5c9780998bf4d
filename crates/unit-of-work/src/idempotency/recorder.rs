//! Claims a key before the first resolver runs, and keeps the response with it.

use std::sync::{Arc, OnceLock};

use async_graphql::{Response, ServerError, Value, Variables, parser::types::ExecutableDocument};
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    IdempotencyKey, IdempotencySettings, Viewer, fingerprint,
    stored::Stored,
    table::{self, Claim},
};
use crate::{
    UnitOfWork, codes,
    operation::respond::coded,
    unit::{Ending, evidence::Evidence},
};

/// A key, its viewer, and the operation for which it was given.
pub(crate) struct Ticket {
    pub(super) viewer: Viewer,
    pub(super) key: IdempotencyKey,
    /// The fingerprint. It is known once the document is parsed, since a request may only name its document.
    fingerprint: OnceLock<String>,
}

impl Ticket {
    /// The fingerprint of the operation.
    ///
    /// # Errors
    /// If the document was not parsed.
    pub(super) fn fingerprint(&self) -> Result<&str, DbErr> {
        let fingerprint = self.fingerprint.get().map(String::as_str);
        fingerprint.ok_or_else(|| DbErr::Custom("the operation's document is not known".to_owned()))
    }

    /// Notes what the key was given for, if that is not a GraphQL operation.
    #[cfg(feature = "axum")]
    pub(crate) fn given_for(&self, what: &[u8]) {
        self.fingerprint.get_or_init(|| fingerprint::of_bytes(what));
    }

    /// Notes the operation for which the key was given.
    pub(crate) fn parsed(
        &self,
        operation_name: Option<&str>,
        query: &str,
        document: &ExecutableDocument,
        variables: &Variables,
    ) {
        self.fingerprint
            .get_or_init(|| fingerprint::of(operation_name, query, document, variables));
    }
}

/// Records the keys of a schema.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(Arc<IdempotencySettings>);

impl Recorder {
    pub(crate) fn new(settings: IdempotencySettings) -> Self {
        Self(Arc::new(settings))
    }

    pub(crate) fn ticket(&self, viewer: Viewer, key: IdempotencyKey) -> Ticket {
        Ticket {
            viewer,
            key,
            fingerprint: OnceLock::new(),
        }
    }

    /// Runs the resolvers, unless the key already has a response.
    pub(crate) async fn run(
        &self,
        ticket: &Ticket,
        unit: &UnitOfWork,
        resolvers: impl Future<Output = Response>,
    ) -> Response {
        once(&self.0, ticket, unit, resolvers)
            .await
            .unwrap_or_else(failed)
    }
}

async fn once(
    settings: &IdempotencySettings,
    ticket: &Ticket,
    unit: &UnitOfWork,
    resolvers: impl Future<Output = Response>,
) -> Result<Response, DbErr> {
    let (now, expires_at) = settings.terms();
    match table::claim(unit, ticket, now, expires_at).await? {
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
                        expires_at,
                    });
                }
            }
            Ok(response)
        }
        Claim::Done(stored) => {
            // Nothing was written, so there is nothing to commit.
            unit.decide(Ending::Replay);
            Ok(replayed(stored.into_response()))
        }
        Claim::Reused => Ok(Response::from_errors(vec![reused()])),
    }
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

/// A response for an error of the database. It is treated like a resolver's error: masked, and with the code of a conflict if it is one.
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
