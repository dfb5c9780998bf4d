//! Creates, changes and deletes webhooks. All of these need the scope `ledger:webhooks`.

use async_graphql::{Context, Error, ID, InputObject, Object, Result, SimpleObject};
use chrono::Duration;
use daybook_entity::WebhookSecret;
use futures_util::FutureExt as _;
use std::time::Duration as StdDuration;
use unit_of_work::ContextExt as _;
use uuid::Uuid;

use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{AccountRef, parse_cursor, viewer},
        object::{Webhook, WebhookEvent, WhenExhausted, global_id},
        refusal::{bad_input, refuse},
        scopes::{WEBHOOKS, require},
    },
    ledger::{
        self, CreateWebhook, Id, RotateWebhookSecret, StartAfter, UpdateWebhook, WebhookError,
        WebhookState,
    },
    webhook::new_secret,
};

/// How long a new webhook waits until it is known how far the outbox is settled. It is known but for a moment after the server's start and
/// after a failover.
const SETTLED_WITHIN: StdDuration = StdDuration::from_secs(2);

/// The webhook to create.
#[derive(InputObject)]
pub struct CreateWebhookInput {
    /// Where events are sent: `https://…`, at a public address unless the server was started otherwise. Redirects are not followed.
    url: String,
    /// Which kinds of events; at least one.
    events: Vec<WebhookEvent>,
    /// Only events about one of these accounts, and entries that touch one; at most 100. All by default.
    accounts: Option<Vec<AccountRef>>,
    /// What becomes of an event whose last attempt has failed.
    #[graphql(default_with = "WhenExhausted::Skip")]
    when_exhausted: WhenExhausted,
    /// Events after this cursor of the feed; "0" is the beginning. By default those that are committed from now on; one that was
    /// committed shortly before can come as well.
    after: Option<String>,
}

/// A webhook, and what it is to become. A field that is left out or null stays as it is.
#[derive(InputObject)]
pub struct UpdateWebhookInput {
    /// `webhook_…`
    webhook: ID,
    /// Where events are sent, as for `createWebhook`.
    url: Option<String>,
    /// Which kinds of events; at least one.
    events: Option<Vec<WebhookEvent>>,
    /// Only events about one of these accounts; all, if it is empty.
    accounts: Option<Vec<AccountRef>>,
    /// What becomes of an event whose last attempt has failed.
    when_exhausted: Option<WhenExhausted>,
    /// True: events wait. False: they are sent, also if the webhook was stopped, and the next attempt is made at once.
    paused: Option<bool>,
}

/// The webhook to delete.
#[derive(InputObject)]
pub struct DeleteWebhookInput {
    /// `webhook_…`
    webhook: ID,
}

/// The webhook that gets another secret.
#[derive(InputObject)]
pub struct RotateWebhookSecretInput {
    /// `webhook_…`
    webhook: ID,
    /// For how many hours requests are signed with the secret before, too: 0 to 720. With 0, it counts no more from now on.
    #[graphql(default = 24)]
    keep_previous_hours: i32,
}

/// The dead letters to send again.
#[derive(InputObject)]
pub struct RedeliverWebhookEventsInput {
    /// `webhook_…`
    webhook: ID,
    /// The cursors of 1 to 100 of its dead letters.
    cursors: Vec<String>,
}

/// The webhook as it is now.
#[derive(SimpleObject)]
pub struct WebhookPayload {
    /// The webhook as it is now.
    webhook: Webhook,
}

/// A webhook, and its secret.
#[derive(SimpleObject)]
pub struct WebhookSecretPayload {
    /// The webhook as it is now.
    webhook: Webhook,
    /// `whsec_…`, with which its requests are signed. It is not shown again: keep it where the endpoint can read it.
    secret: String,
}

/// The webhook that was deleted.
#[derive(SimpleObject)]
pub struct DeleteWebhookPayload {
    /// The id that it had.
    deleted_id: ID,
    /// The URL that it had.
    url: String,
}

#[derive(Default)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Has events sent to a URL. The token needs the scope `ledger:webhooks`, too.
    async fn create_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: CreateWebhookInput,
    ) -> Result<WebhookSecretPayload> {
        require(ctx, WEBHOOKS)?;
        check_url(ctx, &input.url)?;
        let after = match &input.after {
            Some(cursor) => StartAfter::Number(parse_cursor("after", cursor)?),
            None => StartAfter::Now {
                settled: ctx.feed().settled_within(SETTLED_WITHIN).await,
            },
        };
        let secret = secret()?;
        let command = CreateWebhook {
            random: ledger::random(),
            url: input.url,
            events: input.events.into_iter().map(Into::into).collect(),
            accounts: parse(input.accounts.unwrap_or_default()),
            when_exhausted: input.when_exhausted.into(),
            secret: WebhookSecret(secret.clone()),
            after,
            created_by: viewer(ctx),
        };
        let webhook = ledger::create_webhook(ctx.unit(), command, ctx.now());
        let webhook = webhook.boxed().await.map_err(refuse)?;
        tell(ctx);
        Ok(WebhookSecretPayload {
            webhook: Webhook(webhook),
            secret,
        })
    }

    /// Changes a webhook, pauses it, or has it go on. The token needs the scope `ledger:webhooks`, too.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook, and what it is to become.")] input: UpdateWebhookInput,
    ) -> Result<WebhookPayload> {
        require(ctx, WEBHOOKS)?;
        if let Some(url) = &input.url {
            check_url(ctx, url)?;
        }
        let events = input.events;
        let command = UpdateWebhook {
            id: webhook_id(&input.webhook)?,
            url: input.url,
            events: events.map(|events| events.into_iter().map(Into::into).collect()),
            accounts: input.accounts.map(parse),
            when_exhausted: input.when_exhausted.map(Into::into),
            state: input.paused.map(|paused| match paused {
                true => WebhookState::Paused,
                false => WebhookState::Active,
            }),
        };
        let webhook = ledger::update_webhook(ctx.unit(), command);
        payload(ctx, webhook.boxed().await)
    }

    /// Deletes a webhook, with its dead letters. The token needs the scope `ledger:webhooks`, too.
    async fn delete_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: DeleteWebhookInput,
    ) -> Result<DeleteWebhookPayload> {
        require(ctx, WEBHOOKS)?;
        let webhook = ledger::delete_webhook(ctx.unit(), webhook_id(&input.webhook)?);
        let webhook = webhook.boxed().await.map_err(refuse)?;
        Ok(DeleteWebhookPayload {
            deleted_id: global_id(Id::Webhook(webhook.id)),
            url: webhook.url,
        })
    }

    /// Gives a webhook another secret. For a while, requests have a signature with the one before, too, so that endpoints can follow
    /// without losing an event. The token needs the scope `ledger:webhooks`, too.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: RotateWebhookSecretInput,
    ) -> Result<WebhookSecretPayload> {
        require(ctx, WEBHOOKS)?;
        let secret = secret()?;
        let command = RotateWebhookSecret {
            id: webhook_id(&input.webhook)?,
            secret: WebhookSecret(secret.clone()),
            overlap: Duration::hours(input.keep_previous_hours.into()),
        };
        let webhook = ledger::rotate_webhook_secret(ctx.unit(), command, ctx.now());
        Ok(WebhookSecretPayload {
            webhook: Webhook(webhook.boxed().await.map_err(refuse)?),
            secret,
        })
    }

    /// Sends dead letters once more, before the events that are still to come: each once. What is delivered leaves the list. The token needs
    /// the scope `ledger:webhooks`, too.
    async fn redeliver_webhook_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook, and the events.")] input: RedeliverWebhookEventsInput,
    ) -> Result<WebhookPayload> {
        require(ctx, WEBHOOKS)?;
        let cursors = input.cursors.iter();
        let cursors: Result<Vec<_>> = cursors.map(|it| parse_cursor("cursors", it)).collect();
        let id = webhook_id(&input.webhook)?;
        let cursors = cursors?;
        let webhook = ledger::redeliver_webhook_events(ctx.unit(), id, &cursors);
        payload(ctx, webhook.boxed().await)
    }
}

fn parse(accounts: Vec<AccountRef>) -> Vec<ledger::AccountRef> {
    accounts.into_iter().map(AccountRef::parse).collect()
}

/// The webhook that an id names. That of anything else is no webhook's.
fn webhook_id(id: &ID) -> Result<Uuid> {
    match id.parse() {
        Ok(Id::Webhook(id)) => Ok(id),
        Ok(_) | Err(_) => Err(refuse(WebhookError::NotFound { id: id.0.clone() })),
    }
}

/// No name is resolved here, since a resolver can run again: that is done for each connection.
fn check_url(ctx: &Context<'_>, url: &str) -> Result<()> {
    let url = ctx.webhooks().addresses.url(url);
    url.map(drop).map_err(|problem| bad_input("url", &problem))
}

fn secret() -> Result<String> {
    new_secret().ok_or_else(|| Error::new("the system has no random numbers"))
}

fn payload(
    ctx: &Context<'_>,
    webhook: std::result::Result<daybook_entity::webhook::Model, WebhookError>,
) -> Result<WebhookPayload> {
    let webhook = webhook.map_err(refuse)?;
    tell(ctx);
    Ok(WebhookPayload {
        webhook: Webhook(webhook),
    })
}

/// Wakes the job that sends, after COMMIT.
fn tell(ctx: &Context<'_>) {
    let webhooks = ctx.webhooks().clone();
    ctx.unit().after_commit(async move { webhooks.tell() });
}
