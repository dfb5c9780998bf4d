//! The bodies of webhooks: events as the feed tells them, for the same types resolve them.
//!
//! The documents are fixed, so that a body has the same fields for everybody. They ask for what does not change any more, but for what says
//! itself that it is *now*: an entry's metadata, and the account of a change.

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, Error, Executor as _, Object, Request, Result,
    Schema, Value as ConstValue,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use unit_of_work::{Database, Retrying, UnitOfWorkExtension};
use uuid::Uuid;

use super::{
    locks,
    subscription::{AccountEvent, EntryChangeEvent, EntryEvent},
};
use crate::ledger::{Clock, EventKind, Id, OutboxEvent, Subject};

const ENTRY: &str = "{ event: entry { cursor entry {
    id reference kind description metadata effectiveAt recordedAt recordedBy
    resolves { id } reverses { id } leavesRest
    lines {
        id effect amount { amount currency decimal }
        debit { id code } credit { id code }
        debitBalanceAfter { amount currency decimal } creditBalanceAfter { amount currency decimal }
    }
} } }";

const ACCOUNT: &str = "{ event: account { cursor change {
    revision recordedAt recordedBy
    account { id code currency normalSide }
    before { ...Description } after { ...Description }
} } }
fragment Description on AccountDescription {
    name class limitPolicy status metadata
    minBalance { amount currency decimal } maxBalance { amount currency decimal }
}";

const ENTRY_CHANGE: &str = "{ event: entryChange { cursor change {
    number before after recordedAt recordedBy entry { id reference kind }
} } }";

/// Makes the bodies of webhooks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct WebhookBodies(Retrying<Schema<EventQuery, EmptyMutation, EmptySubscription>>);

/// A message to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebhookBody {
    /// The same for each attempt of an event to an endpoint, and for nothing else.
    pub(crate) id: String,
    /// JSON.
    pub(crate) body: String,
}

/// An event cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the event cannot be read: {reason}")]
pub(crate) struct Unreadable {
    reason: String,
    /// Whether it may be read at another time: the database cannot be reached, say. If not, it is about the event itself.
    pub(crate) is_passing: bool,
}

impl WebhookBodies {
    pub(crate) fn new(database: Database, clock: Clock) -> Self {
        let schema = Schema::build(EventQuery, EmptyMutation, EmptySubscription)
            .data(clock)
            .data(locks::Contended::default())
            .extension(UnitOfWorkExtension::new(database))
            .finish();
        Self(Retrying::new(schema))
    }

    /// The message that tells an endpoint of an event.
    ///
    /// # Errors
    /// If the database fails, or the event is not as it has to be.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub(crate) async fn of(
        &self,
        webhook: Uuid,
        event: OutboxEvent,
    ) -> std::result::Result<WebhookBody, Unreadable> {
        let (kind, document, subject) = match event.subject.kind() {
            EventKind::Entry => ("entry.posted", ENTRY, "entry"),
            EventKind::AccountChange => ("account.changed", ACCOUNT, "change"),
            EventKind::EntryChange => ("entry.changed", ENTRY_CHANGE, "change"),
        };
        let response = self.0.execute(Request::new(document).data(event)).await;
        if let Some(error) = response.errors.first() {
            let retryable = error.extensions.as_ref();
            let retryable = retryable.and_then(|it| it.get("retryable"));
            return Err(Unreadable {
                reason: error.message.clone(),
                is_passing: retryable == Some(&ConstValue::Boolean(true)),
            });
        }
        let mut data = response.data.into_json().map_err(|error| Unreadable {
            reason: error.to_string(),
            is_passing: false,
        })?;
        let data = data["event"].take();
        let timestamp = data[subject]["recordedAt"].clone();
        let id = message_id(webhook, event, kind, &timestamp);
        let body = json!({ "type": kind, "timestamp": timestamp, "data": data });
        Ok(WebhookBody {
            id,
            body: body.to_string(),
        })
    }
}

/// The id of a message. A number by itself would not do: after a failover that loses events, the same number is given again.
fn message_id(webhook: Uuid, event: OutboxEvent, kind: &str, timestamp: &Value) -> String {
    let (Subject::Entry(subject)
    | Subject::EntryChange(subject, _)
    | Subject::AccountChange(subject, _)) = event.subject;
    let webhook = Id::Webhook(webhook);
    let hash = Sha256::digest(format!(
        "{webhook} {} {kind} {subject} {timestamp}",
        event.seq
    ));
    let mut id = format!("msg_{}_", event.seq);
    for byte in &hash[..12] {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// What the documents ask of: one event, which is in the request's data.
pub(crate) struct EventQuery;

fn event(ctx: &Context<'_>) -> Result<OutboxEvent> {
    let event = ctx.data_opt::<OutboxEvent>().copied();
    event.ok_or_else(|| Error::new("there is no event"))
}

/// What the documents ask of.
#[Object]
impl EventQuery {
    /// An entry was posted.
    async fn entry(&self, ctx: &Context<'_>) -> Result<EntryEvent> {
        Ok(EntryEvent::alone(event(ctx)?))
    }

    /// An account was changed.
    async fn account(&self, ctx: &Context<'_>) -> Result<AccountEvent> {
        Ok(AccountEvent::alone(event(ctx)?))
    }

    /// An entry was changed.
    async fn entry_change(&self, ctx: &Context<'_>) -> Result<EntryChangeEvent> {
        Ok(EntryChangeEvent::alone(event(ctx)?))
    }
}
