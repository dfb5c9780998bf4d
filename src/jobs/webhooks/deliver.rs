//! The turn of one endpoint: takes its lease, sends one event after another, records each attempt, and gives the lease back.

use std::{sync::OnceLock, time::Duration};

use axum::{
    body::Bytes,
    http::{HeaderValue, Request, StatusCode, header},
};
use daybook_entity::webhook;
use sea_orm::DbErr;
use tokio::{sync::Semaphore, time::Instant};
use unit_of_work::{Database, RetryPolicy, UnitOfWork};
use uuid::Uuid;

use super::searches::Searches;
use crate::{
    graphql::{Feed, Unreadable, WebhookBodies, WebhookBody},
    ledger::{self, Attempt, Clock, Id, NextDelivery, OutboxEvent, Outcome, Searched},
    webhook::{Answer, Client, WebhookOptions, Webhooks, sign},
};

/// How many events are sent in one turn, and for how long, while others wait for theirs.
const EVENTS_OF_TURN: usize = 100;
const TIME_OF_TURN: Duration = Duration::from_secs(5);

/// For how long a lease lasts beyond the time that an endpoint may take: for what the database and the machine take.
const BEYOND: Duration = Duration::from_secs(3);

/// A lease that is older is taken anew before a request is sent, so that it lasts for as long as the endpoint may take.
const FRESH: Duration = Duration::from_secs(1);

/// How far events that are not for an endpoint are searched, before that is recorded.
const FAR: i64 = 1000;

const USER_AGENT: &str = concat!("Daybook/", env!("CARGO_PKG_VERSION"));

/// Why a turn ended before its time. What it had recorded is recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("there is no client: {0}")]
    Client(String),
}

/// Sends what is to be sent. One for all endpoints of a server.
pub(super) struct Courier {
    database: Database,
    feed: Feed,
    clock: Clock,
    webhooks: Webhooks,
    options: WebhookOptions,
    bodies: WebhookBodies,
    /// Made when it is first needed: it reads the machine's root certificates.
    client: OnceLock<Client>,
    deliveries: Semaphore,
    searches: Searches,
}

/// An endpoint that this server has.
struct Lease {
    number: i64,
    /// When the number was about to be written: others see it later.
    since: Instant,
}

/// How far events can be sent.
#[derive(Clone, Copy)]
struct Extent {
    losses: u64,
    settled: i64,
}

impl Courier {
    pub(super) fn new(
        database: Database,
        feed: Feed,
        clock: Clock,
        (options, webhooks): (WebhookOptions, Webhooks),
    ) -> Self {
        Self {
            bodies: WebhookBodies::new(database.clone(), clock.clone()),
            client: OnceLock::new(),
            deliveries: Semaphore::new(options.deliveries),
            searches: Searches::default(),
            database,
            feed,
            clock,
            webhooks,
            options,
        }
    }

    /// Whether there may be events for an endpoint that were not searched.
    pub(super) fn has_more(&self, webhook: &webhook::Model, settled: i64) -> bool {
        let searched = self.searches.of(webhook.id, self.feed.losses());
        let searched = searched.filter(|it| it.choice == webhook.choice);
        settled > searched.map_or(0, |it| it.until).max(webhook.position)
    }

    /// Forgets endpoints that are not there any more.
    pub(super) fn forget(&self, is_there: impl Fn(&Uuid) -> bool) {
        self.searches.forget(is_there);
    }

    /// Sends an endpoint what there is for it, at most a hundred events.
    ///
    /// # Errors
    /// A [`TurnError`]. An endpoint that does not answer is none: that is recorded.
    ///
    /// # Cancel safety
    /// An event that is under way may arrive, and is sent again. The lease stays, until it is taken over.
    pub(super) async fn turn(&self, id: Uuid, seen: i64) -> Result<(), TurnError> {
        // Nothing is written before it is known that there is something to send.
        let Some(found) = self.search(id).await? else {
            return Ok(());
        };
        let _place = tokio::select! {
            biased;
            () = self.webhooks.stopping() => return Ok(()),
            place = self.deliveries.acquire() => place,
        };
        let Some(mut lease) = self.take(id, seen).await? else {
            return Ok(());
        };
        let turn = match found {
            Found::Event => self.deliver(id, &mut lease).await,
            Found::Far(losses, searched) => self.pass_over(id, &mut lease, losses, searched).await,
        };
        let number = lease.number;
        let give = async |unit| ledger::release_webhook(&unit, id, number).await;
        self.write(give).await?;
        turn
    }

    /// Takes an endpoint whose lease is still `seen`, whoever has it. None if it is another one now.
    async fn take(&self, id: Uuid, seen: i64) -> Result<Option<Lease>, DbErr> {
        let since = Instant::now();
        let lasts = self.options.timeout + BEYOND;
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let take = async |unit| ledger::lease_webhook(&unit, id, seen, lasts).await;
        let number = self.write(take).await?;
        Ok(number.map(|number| Lease { number, since }))
    }

    /// Looks for what there is to send. None if there is nothing, or not yet.
    async fn search(&self, id: Uuid) -> Result<Option<Found>, TurnError> {
        while let Some(extent) = self.extent() {
            let (webhook, next) = self.next(id, None, extent).await?;
            match (webhook, next) {
                (Some(webhook), NextDelivery::Send { is_letter, .. }) => {
                    return Ok((is_letter || self.is_time(&webhook)).then_some(Found::Event));
                }
                (Some(webhook), NextDelivery::NothingUntil(until)) => {
                    let searched = self.searches.remember(&webhook, until, extent.losses);
                    if until >= webhook.position.saturating_add(FAR) {
                        return Ok(Some(Found::Far(extent.losses, searched)));
                    }
                    if until >= extent.settled {
                        return Ok(None);
                    }
                }
                (None, _) | (_, NextDelivery::NotOurs) => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn deliver(&self, id: Uuid, lease: &mut Lease) -> Result<(), TurnError> {
        let begun = Instant::now();
        for _ in 0..EVENTS_OF_TURN {
            if self.webhooks.is_stopping() || begun.elapsed() > TIME_OF_TURN {
                return Ok(());
            }
            let Some(extent) = self.extent() else {
                return Ok(());
            };
            let (webhook, next) = self.next(id, Some(lease.number), extent).await?;
            let (webhook, event, is_letter) = match (webhook, next) {
                (Some(webhook), NextDelivery::Send { event, is_letter }) => {
                    (webhook, event, is_letter)
                }
                (Some(webhook), NextDelivery::NothingUntil(until)) => {
                    self.searches.remember(&webhook, until, extent.losses);
                    return Ok(());
                }
                (None, _) | (_, NextDelivery::NotOurs) => return Ok(()),
            };
            // After a dead letter that was sent once more, the next event may have to wait still.
            if !is_letter && !self.is_time(&webhook) {
                return Ok(());
            }
            let message = self.bodies.of(webhook.id, event).await;
            // Reading it can have taken long, or this process stood still.
            if lease.since.elapsed() > FRESH {
                let Some(taken) = self.take(id, lease.number).await? else {
                    tracing::info!(webhook = %Id::Webhook(id), event = event.seq, "another server has taken the webhook over");
                    return Ok(());
                };
                *lease = taken;
            }
            let outcome = match message {
                Ok(message) => self.attempt(&webhook, event, message).await?,
                Err(error) if error.is_passing => return Err(error.into()),
                Err(error) => {
                    tracing::error!(webhook = %Id::Webhook(id), event = event.seq, %error, "a webhook cannot be told of an event");
                    self.failed(&webhook, error.to_string())
                }
            };
            let is_in_order = outcome == Outcome::Delivered || is_letter;
            let told = told(&outcome, is_letter);
            let attempt = Attempt {
                webhook: id,
                lease: lease.number,
                choice: webhook.choice,
                event,
                is_letter,
                outcome,
            };
            let (since, now) = (Instant::now(), self.clock.now());
            let record = async |unit| ledger::record_attempt(&unit, attempt.clone(), now).await;
            let Some(number) = self.write(record).await? else {
                tracing::info!(
                    webhook = %Id::Webhook(id),
                    event = event.seq,
                    "an attempt is not recorded: another server has taken the webhook over, or it was changed or deleted meanwhile"
                );
                return Ok(());
            };
            *lease = Lease { number, since };
            metrics::counter!("daybook_webhook_attempts_total", "outcome" => told).increment(1);
            if matches!(told, EXHAUSTED | GONE) {
                tracing::warn!(
                    webhook = %Id::Webhook(id),
                    event = event.seq,
                    "a webhook takes an event not at all: it is a dead letter, or the webhook has stopped"
                );
            }
            if !is_in_order {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Moves the endpoint past what is not for it, unless numbers may have been given again since that was searched.
    async fn pass_over(
        &self,
        id: Uuid,
        lease: &mut Lease,
        losses: u64,
        searched: Searched,
    ) -> Result<(), TurnError> {
        if self.feed.losses() != losses {
            return Ok(());
        }
        let held = lease.number;
        let pass = async |unit| ledger::pass_over(&unit, id, held, searched).await;
        if let Some(number) = self.write(pass).await? {
            lease.number = number;
        }
        Ok(())
    }

    /// Sends an event, and says what became of it.
    async fn attempt(
        &self,
        webhook: &webhook::Model,
        event: OutboxEvent,
        message: WebhookBody,
    ) -> Result<Outcome, TurnError> {
        let now = self.clock.now();
        let previous = webhook.previous_secret.as_ref();
        let previous =
            previous.filter(|_| webhook.previous_secret_until.is_some_and(|it| it > now));
        let secrets = [Some(&webhook.secret), previous].into_iter().flatten();
        let secrets: Vec<_> = secrets.map(|secret| secret.0.as_str()).collect();
        let timestamp = now.timestamp();
        let signature = sign(&secrets, &message.id, timestamp, &message.body);
        // Also now, since this server may be one that sends to fewer places than the one that took the URL.
        let answer = match (self.options.addresses.url(&webhook.url), signature) {
            (Err(problem), _) => Answer::None(format!("its URL {problem}")),
            (_, None) => Answer::None("its secret is none".to_owned()),
            (Ok(url), Some(signature)) => {
                let mut request = Request::post(url)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::USER_AGENT, USER_AGENT)
                    .header("webhook-id", &message.id)
                    .header("webhook-timestamp", timestamp)
                    .body(Bytes::from(message.body))
                    .map_err(|error| TurnError::Client(error.to_string()))?;
                let mut signature = HeaderValue::from_str(&signature)
                    .map_err(|error| TurnError::Client(error.to_string()))?;
                signature.set_sensitive(true);
                request.headers_mut().insert("webhook-signature", signature);
                self.client()?.send(request, self.options.timeout).await
            }
        };
        let reason = match answer {
            Answer::Status(status) if status.is_success() => return Ok(Outcome::Delivered),
            Answer::Status(StatusCode::GONE) => {
                let reason = "it answers 410 Gone".to_owned();
                return Ok(Outcome::Gone { reason });
            }
            Answer::Status(status) if status.is_redirection() => {
                format!("it answers {status}, and redirects are not followed")
            }
            Answer::Status(status) => format!("it answers {status}"),
            Answer::None(reason) => reason,
        };
        tracing::debug!(webhook = %Id::Webhook(webhook.id), event = event.seq, reason, "a webhook was not delivered");
        Ok(self.failed(webhook, reason))
    }

    /// An attempt that has failed, and when the next one is.
    fn failed(&self, webhook: &webhook::Model, reason: String) -> Outcome {
        let [a, b, c, d, ..] = ledger::random();
        let chance = u32::from_be_bytes([a, b, c, d]);
        let failed = webhook.failed_attempts + 1;
        let wait = self.options.wait_after(failed, chance);
        Outcome::Failed {
            reason,
            next_attempt_at: wait.map(|wait| self.clock.now() + wait),
        }
    }

    fn extent(&self) -> Option<Extent> {
        // In this order: a loss in between makes what is found out count for less.
        let losses = self.feed.losses();
        let settled = self.feed.settled()?;
        Some(Extent { losses, settled })
    }

    async fn next(
        &self,
        id: Uuid,
        lease: Option<i64>,
        Extent { losses, settled }: Extent,
    ) -> Result<(Option<webhook::Model>, NextDelivery), DbErr> {
        let searched = self.searches.of(id, losses);
        let next = async |unit| ledger::next_delivery(&unit, id, lease, searched, settled).await;
        self.database.read(next).await
    }

    /// Writes, again after a conflict: that with a change of the endpoint, or with another server.
    async fn write<T, F, Fut>(&self, body: F) -> Result<T, DbErr>
    where
        F: FnMut(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, DbErr>>,
    {
        let policy = RetryPolicy::default();
        self.database.write_retrying(policy, body).await
    }

    fn is_time(&self, webhook: &webhook::Model) -> bool {
        let now = self.clock.now();
        webhook.next_attempt_at.is_none_or(|at| at <= now)
    }

    fn client(&self) -> Result<&Client, TurnError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(self.options.addresses);
        let client = client.map_err(|error| TurnError::Client(error.to_string()))?;
        Ok(self.client.get_or_init(|| client))
    }
}

const EXHAUSTED: &str = "EXHAUSTED";
const GONE: &str = "GONE";

/// An outcome, as the metric names it.
const fn told(outcome: &Outcome, is_letter: bool) -> &'static str {
    match outcome {
        Outcome::Delivered => "DELIVERED",
        Outcome::Failed {
            next_attempt_at: Some(_),
            ..
        } if !is_letter => "FAILED",
        Outcome::Failed { .. } => EXHAUSTED,
        Outcome::Gone { .. } => GONE,
    }
}

/// What a search has found.
enum Found {
    /// Something to send.
    Event,
    /// Nothing, and so much of it that the next search should not begin before; and how often the database had lost events by then.
    Far(u64, Searched),
}
