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

/// A key, whose it is, and what it was given for.
pub(crate) struct Ticket {
    pub(super) viewer: Viewer,
    pub(super) key: IdempotencyKey,
    /// Known as soon as the document is: a request may name it only.
    fingerprint: OnceLock<String>,
}

impl Ticket {
    /// What the key was given for.
    ///
    /// # Errors
    /// Where nobody has seen the document.
    pub(super) fn fingerprint(&self) -> Result<&str, DbErr> {
        let fingerprint = self.fingerprint.get().map(String::as_str);
        fingerprint.ok_or_else(|| DbErr::Custom("the operation's document is not known".to_owned()))
    }

    /// Notes what the key was given for.
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

    /// Runs the resolvers, unless the key has a response already.
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
