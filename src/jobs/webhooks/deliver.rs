//! The turn of one endpoint: takes its lease, sends one event after another, records each attempt, and gives the lease back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderValue, Request, StatusCode, header},
};
use daybook_entity::webhook;
use sea_orm::DbErr;
use tokio::sync::Semaphore;
use unit_of_work::{Database, RetryPolicy, UnitOfWork};
use uuid::Uuid;

use crate::{
    graphql::{Feed, Unreadable, WebhookBodies},
    ledger::{self, Attempt, Clock, Id, NextDelivery, OutboxEvent, Outcome, Searched},
    webhook::{Answer, Client, WebhookOptions, sign},
};

/// How many events are sent in one turn, while others wait for theirs.
const EVENTS_OF_TURN: usize = 100;

/// For how long a lease lasts beyond the time that an endpoint may take: for what the database and the machine take.
const BEYOND: Duration = Duration::from_secs(3);

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
    options: WebhookOptions,
    bodies: WebhookBodies,
    /// Made when it is first needed: it reads the machine's root certificates.
    client: OnceLock<Client>,
    deliveries: Semaphore,
    /// How far was searched for each endpoint. It is only in memory: whoever does not know searches again.
    searched: Mutex<HashMap<Uuid, Searched>>,
}

impl Courier {
    pub(super) fn new(
        database: Database,
        feed: Feed,
        clock: Clock,
        options: WebhookOptions,
    ) -> Self {
        Self {
            bodies: WebhookBodies::new(database.clone(), clock.clone()),
            client: OnceLock::new(),
            deliveries: Semaphore::new(options.deliveries),
            searched: Mutex::default(),
            database,
            feed,
            clock,
            options,
        }
    }

    /// Whether there may be events for an endpoint that were not searched.
    pub(super) fn has_more(&self, webhook: &webhook::Model, settled: i64) -> bool {
        let searched = self.searched(webhook.id);
        let searched = searched.filter(|it| it.choice == webhook.choice);
        settled > searched.map_or(0, |it| it.until).max(webhook.position)
    }

    /// Forgets endpoints that are not there any more.
    pub(super) fn forget(&self, is_there: impl Fn(&Uuid) -> bool) {
        self.lock().retain(|id, _| is_there(id));
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
        let Some(searched) = self.search(id).await? else {
            return Ok(());
        };
        let _place = self.deliveries.acquire().await;
        let lasts = self.options.timeout + BEYOND;
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let take = async |unit| ledger::lease_webhook(&unit, id, seen, lasts).await;
        let Some(mut lease) = self.write(take).await? else {
            return Ok(());
        };
        let turn = match searched {
            Found::Event => self.deliver(id, &mut lease).await,
            Found::Far(searched) => self.pass_over(id, &mut lease, searched).await,
        };
        let give = async |unit| ledger::release_webhook(&unit, id, lease).await;
        self.write(give).await?;
        turn
    }

    /// Looks for what there is to send. None if there is nothing, or not yet.
    async fn search(&self, id: Uuid) -> Result<Option<Found>, TurnError> {
        while let Some(settled) = self.feed.settled() {
            let (webhook, next) = self.next(id, None, settled).await?;
            match (webhook, next) {
                (Some(webhook), NextDelivery::Send { is_letter, .. }) => {
                    return Ok((is_letter || self.is_time(&webhook)).then_some(Found::Event));
                }
                (Some(webhook), NextDelivery::NothingUntil(until)) => {
                    let searched = self.remember(&webhook, until);
                    if until >= webhook.position.saturating_add(FAR) {
                        return Ok(Some(Found::Far(searched)));
                    }
                    if until >= settled {
                        return Ok(None);
                    }
                }
                (None, _) | (_, NextDelivery::NotOurs) => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn deliver(&self, id: Uuid, lease: &mut i64) -> Result<(), TurnError> {
        for _ in 0..EVENTS_OF_TURN {
            let Some(settled) = self.feed.settled() else {
                return Ok(());
            };
            let (webhook, next) = self.next(id, Some(*lease), settled).await?;
            let (webhook, event, is_letter) = match (webhook, next) {
                (Some(webhook), NextDelivery::Send { event, is_letter }) => {
                    (webhook, event, is_letter)
                }
                (Some(webhook), NextDelivery::NothingUntil(until)) => {
                    self.remember(&webhook, until);
                    return Ok(());
                }
                (None, _) | (_, NextDelivery::NotOurs) => return Ok(()),
            };
            // After a dead letter that was sent once more, the next event may have to wait still.
            if !is_letter && !self.is_time(&webhook) {
                return Ok(());
            }
            let outcome = self.attempt(&webhook, event, is_letter).await?;
            let is_in_order = outcome == Outcome::Delivered || is_letter;
            let attempt = Attempt {
                webhook: id,
                lease: *lease,
                seq: event.seq,
                is_letter,
                outcome,
            };
            let now = self.clock.now();
            let record = async |unit| ledger::record_attempt(&unit, attempt.clone(), now).await;
            let Some(next) = self.write(record).await? else {
                return Ok(());
            };
            *lease = next;
            if !is_in_order {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Moves the endpoint past what is not for it.
    async fn pass_over(
        &self,
        id: Uuid,
        lease: &mut i64,
        searched: Searched,
    ) -> Result<(), TurnError> {
        let held = *lease;
        let pass = async |unit| ledger::pass_over(&unit, id, held, searched).await;
        if let Some(next) = self.write(pass).await? {
            *lease = next;
        }
        Ok(())
    }

    /// Sends an event, and says what became of it.
    async fn attempt(
        &self,
        webhook: &webhook::Model,
        event: OutboxEvent,
        is_letter: bool,
    ) -> Result<Outcome, TurnError> {
        let message = self.bodies.of(webhook.id, event).await?;
        let now = self.clock.now();
        let previous = webhook.previous_secret.as_deref();
        let previous =
            previous.filter(|_| webhook.previous_secret_until.is_some_and(|it| it > now));
        let secrets: Vec<_> = [Some(webhook.secret.as_str()), previous]
            .into_iter()
            .flatten()
            .collect();
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
        let failed = webhook.failed_attempts + 1;
        let [a, b, c, d, ..] = ledger::random();
        let chance = u32::from_be_bytes([a, b, c, d]);
        let wait = self.options.wait_after(failed, chance);
        tracing::debug!(webhook = %Id::Webhook(webhook.id), event = event.seq, failed, is_letter, reason, "a webhook was not delivered");
        Ok(Outcome::Failed {
            reason,
            next_attempt_at: wait.map(|wait| self.clock.now() + wait),
        })
    }

    async fn next(
        &self,
        id: Uuid,
        lease: Option<i64>,
        settled: i64,
    ) -> Result<(Option<webhook::Model>, NextDelivery), DbErr> {
        let searched = self.searched(id);
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

    fn searched(&self, id: Uuid) -> Option<Searched> {
        self.lock().get(&id).copied()
    }

    fn remember(&self, webhook: &webhook::Model, until: i64) -> Searched {
        let searched = Searched {
            choice: webhook.choice,
            until,
        };
        self.lock().insert(webhook.id, searched);
        searched
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Searched>> {
        // Nothing can panic while the lock is held.
        self.searched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a search has found.
enum Found {
    /// Something to send.
    Event,
    /// Nothing, and so much of it that the next search should not begin before.
    Far(Searched),
}
