//! Webhooks.

use async_graphql::{Context, Enum, ID, Object, Result};
use daybook_entity::{webhook, webhook_dead_letter};
use unit_of_work::ContextExt as _;

use super::{Account, global_id};
use crate::{
    graphql::{
        count_items::count_items,
        input::{page_size, parse_cursor},
        loaders::{self, AccountsOfWebhooks},
        scalars::DateTime,
    },
    ledger::{self, EventKind, Id},
};

/// A kind of event of the feed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// An entry was posted: what `entryPosted` tells.
    EntryPosted,
    /// An account was opened, or what describes it was changed: what `accountChanged` tells.
    AccountChanged,
    /// Metadata was added to an entry: what `entryChanged` tells.
    EntryChanged,
}

impl From<WebhookEvent> for EventKind {
    fn from(event: WebhookEvent) -> Self {
        match event {
            WebhookEvent::EntryPosted => Self::Entry,
            WebhookEvent::AccountChanged => Self::AccountChange,
            WebhookEvent::EntryChanged => Self::EntryChange,
        }
    }
}

impl From<EventKind> for WebhookEvent {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Entry => Self::EntryPosted,
            EventKind::AccountChange => Self::AccountChanged,
            EventKind::EntryChange => Self::EntryChanged,
        }
    }
}

/// Whether events are sent to a webhook.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::WebhookStatus")]
pub enum WebhookStatus {
    /// They are.
    Active,
    /// They wait, because somebody wants it so.
    Paused,
    /// They wait, because an event could not be delivered, or the endpoint has answered that it is gone.
    Stopped,
}

/// What becomes of an event whose last attempt has failed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::WhenExhausted")]
pub enum WhenExhausted {
    /// It becomes a dead letter, and the next one is delivered.
    Skip,
    /// The webhook is stopped before it, so that nothing arrives out of order.
    Stop,
}

/// A URL that events are sent to: each at least once, one after another in the order of the feed, signed as Standard Webhooks has it. Its
/// secret was shown when it was made, and is not shown again.
pub struct Webhook(pub(in crate::graphql) webhook::Model);

/// A URL that events are sent to: each at least once, one after another in the order of the feed, signed as Standard Webhooks has it. Its
/// secret was shown when it was made, and is not shown again.
#[Object]
impl Webhook {
    /// `webhook_…`
    pub async fn id(&self) -> ID {
        global_id(Id::Webhook(self.0.id))
    }

    /// Where events are sent.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Which kinds of events.
    async fn events(&self) -> Vec<WebhookEvent> {
        let kinds = ledger::webhook_kinds(&self.0).into_iter();
        kinds.map(Into::into).collect()
    }

    /// Only events about these accounts, and entries that touch one of them, by code; all where it is empty.
    async fn accounts(&self, ctx: &Context<'_>) -> Result<Vec<Account>> {
        let accounts = loaders::load::<AccountsOfWebhooks, _>(ctx, self.0.id).await?;
        let accounts = accounts.unwrap_or_default();
        count_items(ctx, accounts.len())?;
        Ok(accounts.into_iter().map(Account).collect())
    }

    /// What becomes of an event whose last attempt has failed.
    async fn when_exhausted(&self) -> WhenExhausted {
        self.0.when_exhausted.into()
    }

    /// Whether events are sent.
    async fn status(&self) -> WebhookStatus {
        self.0.status.into()
    }

    /// The cursor of the feed up to which everything was delivered, or is a dead letter. It is that of an event that was sent, and may lag
    /// behind events that this webhook is not told.
    async fn cursor(&self) -> String {
        self.0.position.to_string()
    }

    /// How many attempts of the next event have failed.
    async fn failed_attempts(&self) -> i32 {
        i32::try_from(self.0.failed_attempts).unwrap_or(i32::MAX)
    }

    /// When the next event is tried again; null if no attempt of it has failed, or nothing is sent.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        let is_sent = self.0.status == webhook::WebhookStatus::Active;
        self.0.next_attempt_at.filter(|_| is_sent).map(DateTime)
    }

    /// When an event was last delivered.
    async fn last_success_at(&self) -> Option<DateTime> {
        self.0.last_success_at.map(DateTime)
    }

    /// When an attempt last failed.
    async fn last_failure_at(&self) -> Option<DateTime> {
        self.0.last_failure_at.map(DateTime)
    }

    /// Why it failed, for people.
    async fn last_failure(&self) -> Option<&str> {
        self.0.last_failure.as_deref()
    }

    /// Until when requests are signed with the secret before, too; null if there is none.
    async fn previous_secret_until(&self) -> Option<DateTime> {
        self.0.previous_secret_until.map(DateTime)
    }

    /// Events that could not be delivered and were passed over, in the order of the feed. `redeliverWebhookEvents` sends them again.
    async fn dead_letters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 by default, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
    ) -> Result<Vec<WebhookDeadLetter>> {
        let limit = page_size(first)?;
        let after = after.map(|it| parse_cursor("after", &it)).transpose()?;
        let letters = ledger::dead_letters(ctx.unit(), self.0.id, after.unwrap_or(0), limit);
        let letters = letters.await?;
        count_items(ctx, letters.len())?;
        Ok(letters.into_iter().map(WebhookDeadLetter).collect())
    }

    /// How many events could not be delivered and were passed over.
    async fn dead_letter_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ledger::count_dead_letters(ctx.unit(), self.0.id).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Who created it: the `sub` of the token. Null without authentication.
    async fn created_by(&self) -> Option<&str> {
        self.0.created_by.as_deref()
    }
}

/// An event that could not be delivered to a webhook, and was passed over.
pub struct WebhookDeadLetter(webhook_dead_letter::Model);

/// An event that could not be delivered to a webhook, and was passed over.
#[Object]
impl WebhookDeadLetter {
    /// The cursor of the event, as the feed has it.
    async fn cursor(&self) -> String {
        self.0.seq.to_string()
    }

    /// How many attempts have failed.
    async fn attempts(&self) -> i32 {
        i32::try_from(self.0.attempts).unwrap_or(i32::MAX)
    }

    /// When the last one did.
    async fn failed_at(&self) -> DateTime {
        DateTime(self.0.failed_at)
    }

    /// Why, for people.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Whether it is to be sent once more, and that was not tried yet.
    async fn is_requested(&self) -> bool {
        self.0.is_requested != 0
    }
}
