//! Sends events to webhooks.
//!
//! The job looks which endpoints have something to do, and starts a [`turn`](deliver) for each, in a task of its own: a slow endpoint delays
//! no other. It looks when events were settled, when endpoints were changed by this server, when an attempt is due, and twice a minute
//! anyway. While nothing happens, or no webhook is active, it asks the database nothing else.
//!
//! Several servers look; the one that gets an endpoint's lease delivers to it (`src/ledger/webhook/`). A server that dies leaves its lease
//! behind. Another takes it over when the lease has not moved for as long as the server that took it has said, by the other's own clock: the
//! clocks of two servers are never compared.
//!
//! Metric: `daybook_webhook_attempts_total`, by `outcome`: `DELIVERED`, `FAILED` (it is tried again), `EXHAUSTED` (it is not, but when somebody
//! asks for it) and `GONE`.
//!
//! When the server stops, it begins no further turn, and each that is under way ends after its event ([`Webhooks::stop`]), so that no
//! endpoint has to be waited for by others.

mod deliver;
mod searches;

use std::{collections::HashMap, sync::Arc, time::Duration};

use sea_orm::DbErr;
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use unit_of_work::Database;
use uuid::Uuid;

use self::deliver::{Courier, TurnError};
use super::Job;
use crate::{
    graphql::Feed,
    ledger::{self, Clock, WebhookDue},
    webhook::{WebhookOptions, Webhooks},
};

/// How often it is looked, in memory, whether events were settled.
const EVERY: Duration = Duration::from_millis(250);

/// The longest time between two looks into the database.
const LOOK_ANYWAY: Duration = Duration::from_secs(30);

/// How long an endpoint is left alone after its turn has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The job. Turns that are dropped with it leave their leases behind.
pub(crate) struct SendWebhooks {
    database: Database,
    feed: Feed,
    clock: Clock,
    webhooks: Webhooks,
    courier: Arc<Courier>,
    ticks: Interval,
    /// The endpoint of each turn that is under way, and its task.
    turns: JoinSet<Result<(), TurnError>>,
    under_way: HashMap<tokio::task::Id, Uuid>,
    /// When endpoints were last seen with the lease of another server that they have still.
    foreign: HashMap<Uuid, (i64, Instant)>,
    /// Endpoints whose turn has failed, and until when they are left alone.
    resting: HashMap<Uuid, Instant>,
    /// How far the outbox was settled at the last look.
    settled: Option<i64>,
    /// Whether there was an active endpoint then. If not, what happens in the ledger is no reason to look.
    has_endpoints: bool,
    next_look: Instant,
}

impl SendWebhooks {
    pub(crate) fn new(
        database: Database,
        feed: Feed,
        clock: Clock,
        (options, webhooks): (WebhookOptions, Webhooks),
    ) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sending = (options, webhooks.clone());
        let courier = Courier::new(database.clone(), feed.clone(), clock.clone(), sending);
        Self {
            database,
            feed,
            clock,
            webhooks,
            courier: Arc::new(courier),
            ticks,
            turns: JoinSet::new(),
            under_way: HashMap::new(),
            foreign: HashMap::new(),
            resting: HashMap::new(),
            settled: None,
            has_endpoints: false,
            next_look: Instant::now(),
        }
    }

    /// Forgets a turn that has ended. After a failure, its endpoint is left alone for a while.
    fn ended(&mut self, turn: Result<(tokio::task::Id, Result<(), TurnError>), JoinError>) {
        let task = match &turn {
            Ok((task, _)) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.under_way.remove(&task) else {
            return;
        };
        let webhook = ledger::Id::Webhook(id);
        match turn {
            Ok((_, Ok(()))) => return,
            Ok((_, Err(error))) => {
                tracing::warn!(%webhook, %error, "a turn of a webhook failed, and is begun again");
            }
            // The runtime has said of a panic where it was.
            Err(error) => {
                tracing::error!(%webhook, %error, "a turn of a webhook ended, and is begun again");
            }
        }
        self.resting.insert(id, Instant::now() + AFTER_FAILURE);
    }

    /// When this endpoint is to be looked at again; `None` if its turn is now.
    fn later(&mut self, due: &WebhookDue, settled: Option<i64>, now: Instant) -> Option<Instant> {
        let webhook = &due.webhook;
        if let Some(until) = self.resting.get(&webhook.id).filter(|until| **until > now) {
            return Some(*until);
        }
        let has_events = settled.is_some_and(|settled| self.courier.has_more(webhook, settled));
        if !due.redelivers && !has_events {
            return Some(now + LOOK_ANYWAY);
        }
        let wait = webhook.next_attempt_at.filter(|_| !due.redelivers);
        if let Some(wait) = wait.and_then(|at| (at - self.clock.now()).to_std().ok()) {
            return Some(now + wait);
        }
        let lasts = webhook.lease_ms?;
        let seen = self.foreign.entry(webhook.id);
        let seen = seen.or_insert((webhook.lease, now));
        if seen.0 != webhook.lease {
            *seen = (webhook.lease, now);
        }
        let until = seen.1 + Duration::from_millis(u64::try_from(lasts).unwrap_or(0));
        (until > now).then_some(until)
    }
}

impl Job for SendWebhooks {
    const NAME: &'static str = "webhooks";
    const LONGEST_WAIT: Duration = Duration::from_secs(10);
    type Error = DbErr;

    async fn due(&mut self) -> bool {
        loop {
            tokio::select! {
                () = self.webhooks.changed() => return true,
                Some(turn) = self.turns.join_next_with_id() => {
                    self.ended(turn);
                    return true;
                }
                _ = self.ticks.tick() => {
                    let has_more = self.has_endpoints && self.feed.settled() != self.settled;
                    if has_more || Instant::now() >= self.next_look {
                        return true;
                    }
                }
            }
        }
    }

    async fn activate(&mut self) -> Result<(), DbErr> {
        while let Some(turn) = self.turns.try_join_next_with_id() {
            self.ended(turn);
        }
        let settled = self.feed.settled();
        let due = self
            .database
            .read(async |unit| ledger::due_webhooks(&unit).await)
            .await?;
        if self.webhooks.is_stopping() {
            return Ok(());
        }
        self.settled = settled;
        self.has_endpoints = !due.is_empty();
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let is_there = |id: &Uuid| due.iter().any(|it| it.webhook.id == *id);
        self.foreign.retain(|id, _| is_there(id));
        self.courier.forget(is_there);
        let mut next_look = now + LOOK_ANYWAY;
        for due in &due {
            let id = due.webhook.id;
            if self.under_way.values().any(|it| *it == id) {
                continue;
            }
            if let Some(later) = self.later(due, settled, now) {
                next_look = next_look.min(later);
                continue;
            }
            self.foreign.remove(&id);
            let courier = Arc::clone(&self.courier);
            let seen = due.webhook.lease;
            let turn = async move { courier.turn(id, seen).await };
            let task = self.turns.spawn(self.webhooks.turn(turn)).id();
            self.under_way.insert(task, id);
        }
        self.next_look = next_look;
        Ok(())
    }
}
