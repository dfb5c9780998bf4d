//! What the job that sends reads and records: which endpoints have something to do, who has which, what is next, and what became of it.

use super::find;
use crate::ledger::{
    AccountRef, Chosen, OutboxEvent, Subject, input,
    outbox::{event_by_number, read_outbox},
    sql::Sql,
};
use chrono::{DateTime, Utc};
use daybook_entity::{WebhookStatus, WhenExhausted, webhook};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult as _};
use uuid::Uuid;

/// How many numbers are searched at once for an event that an endpoint has chosen.
const STEP: i64 = 1000;

/// Nothing more is sent until somebody says so.
const STOP: &str =
    ", status = 'STOPPED', failed_attempts = failed_attempts + 1, next_attempt_at = NULL";

/// The most characters that are kept of a reason.
const REASON_LENGTH: usize = 500;

/// An active endpoint.
#[derive(Clone, Debug)]
pub struct WebhookDue {
    /// The endpoint.
    pub webhook: webhook::Model,
    /// Whether somebody wants a dead letter to be sent once more.
    pub redelivers: bool,
}

/// What is next for an endpoint.
#[derive(Clone, Debug)]
pub enum NextDelivery {
    /// This event is to be sent.
    Send {
        /// The event.
        event: OutboxEvent,
        /// Whether it is a dead letter, which is sent once more.
        is_letter: bool,
    },
    /// Nothing of what was searched, which is everything up to this number.
    NothingUntil(i64),
    /// Nothing is sent to it now: it was paused, stopped or deleted, or another server has it.
    NotOurs,
}

/// How far was searched for what an endpoint has chosen, in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The choice.
    pub choice: i64,
    /// Up to this number.
    pub until: i64,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint has acknowledged it.
    Delivered,
    /// It has not.
    Failed {
        /// Why, for people.
        reason: String,
        /// When to try again; `None` if this was the last attempt.
        next_attempt_at: Option<DateTime<Utc>>,
    },
    /// The endpoint says that it is gone: nothing is sent to it any more.
    Gone {
        /// What it says, for people.
        reason: String,
    },
}

/// An attempt to be recorded.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The endpoint.
    pub webhook: Uuid,
    /// The lease under which it was made.
    pub lease: i64,
    /// What the endpoint had chosen then.
    pub choice: i64,
    /// The event.
    pub event: OutboxEvent,
    /// Whether it was a dead letter, sent once more.
    pub is_letter: bool,
    /// What became of it.
    pub outcome: Outcome,
}

/// The active endpoints: one statement.
///
/// # Errors
/// When the database fails.
pub async fn due_webhooks(db: &impl ConnectionTrait) -> Result<Vec<WebhookDue>, DbErr> {
    let all = Sql::new(
        "SELECT webhook.*, EXISTS (
             SELECT 1 FROM webhook_dead_letter WHERE webhook_id = webhook.id AND is_requested = 1
         ) AS redelivers
         FROM webhook WHERE status = 'ACTIVE' ORDER BY id",
    );
    let rows = db.query_all_raw(all.statement(db)).await?;
    rows.iter()
        .map(|row| {
            Ok(WebhookDue {
                webhook: webhook::Model::from_query_result(row, "")?,
                redelivers: row.try_get("", "redelivers")?,
            })
        })
        .collect()
}

/// Takes an endpoint whose lease is still `seen`: for as long as this server records something, or gives it back, within so many
/// milliseconds. Returns the lease, or none if another server was first. One statement.
///
/// Whether another server may be robbed of it is the caller's decision.
///
/// # Errors
/// When the database fails.
pub async fn lease_webhook(
    db: &impl ConnectionTrait,
    id: Uuid,
    seen: i64,
    milliseconds: i64,
) -> Result<Option<i64>, DbErr> {
    let take =
        Sql::new("UPDATE webhook SET lease = lease + 1, lease_ms = ? WHERE id = ? AND lease = ?")
            .bind(milliseconds)
            .bind(id)
            .bind(seen);
    let taken = db.execute_raw(take.statement(db)).await?.rows_affected();
    Ok((taken == 1).then_some(seen + 1))
}

/// Gives an endpoint back, if this server still has it. One statement.
///
/// # Errors
/// When the database fails.
pub async fn release_webhook(db: &impl ConnectionTrait, id: Uuid, lease: i64) -> Result<(), DbErr> {
    let give = Sql::new("UPDATE webhook SET lease = lease + 1, lease_ms = NULL WHERE id = ? AND lease = ? AND lease_ms IS NOT NULL")
        .bind(id)
        .bind(lease);
    db.execute_raw(give.statement(db)).await?;
    Ok(())
}

/// What is next for an endpoint, and the endpoint as it is now: only if the lease is still this one, if one is given. Everything up to
/// `searched` has nothing for that choice; everything up to `settled` can be sent.
///
/// # Errors
/// When the database fails.
pub async fn next_delivery(
    db: &impl ConnectionTrait,
    id: Uuid,
    lease: Option<i64>,
    searched: Option<Searched>,
    settled: i64,
) -> Result<(Option<webhook::Model>, NextDelivery), DbErr> {
    let webhook = find::webhook(db, id).await?;
    let Some(webhook) = webhook.filter(|it| {
        it.status == WebhookStatus::Active && lease.is_none_or(|lease| it.lease == lease)
    }) else {
        return Ok((None, NextDelivery::NotOurs));
    };
    if let Some(event) = requested(db, id).await? {
        let next = NextDelivery::Send {
            event,
            is_letter: true,
        };
        return Ok((Some(webhook), next));
    }
    let searched = searched.filter(|it| it.choice == webhook.choice);
    let after = searched.map_or(0, |it| it.until).max(webhook.position);
    let until = settled.min(after.saturating_add(STEP));
    if until <= after {
        return Ok((Some(webhook), NextDelivery::NothingUntil(after)));
    }
    let accounts = find::accounts_of_webhooks(db, &[id]).await?.remove(&id);
    let accounts: Option<Vec<_>> = accounts.map(|accounts| {
        let ids = accounts.into_iter().map(|account| account.id);
        ids.map(AccountRef::Id).collect()
    });
    let mut first: Option<OutboxEvent> = None;
    for kind in find::webhook_kinds(&webhook) {
        let chosen = Chosen {
            kind,
            accounts: accounts.as_deref(),
            visible: None,
        };
        // Only what would come before what was found already.
        let until = first.map_or(until, |first| first.seq - 1);
        let found = read_outbox(db, after, until, chosen, 1).await?;
        first = found.first().copied().or(first);
    }
    let next = match first {
        Some(event) => NextDelivery::Send {
            event,
            is_letter: false,
        },
        None => NextDelivery::NothingUntil(until),
    };
    Ok((Some(webhook), next))
}

/// Moves an endpoint that this server has past events that are not for it, so that a search need not begin before them. Returns the lease
/// that it has now, or none as [`record_attempt`] does. One statement.
///
/// # Errors
/// When the database fails.
pub async fn pass_over(
    db: &impl ConnectionTrait,
    id: Uuid,
    lease: i64,
    searched: Searched,
) -> Result<Option<i64>, DbErr> {
    let pass = Sql::new(
        "UPDATE webhook SET lease = lease + 1, position = ?
         WHERE id = ? AND lease = ? AND lease_ms IS NOT NULL AND choice = ? AND position < ?",
    )
    .bind(searched.until)
    .bind(id)
    .bind(lease)
    .bind(searched.choice)
    .bind(searched.until);
    let passed = db.execute_raw(pass.statement(db)).await?.rows_affected();
    Ok((passed == 1).then_some(lease + 1))
}

/// The condition that the outbox has this event.
fn still_there(event: OutboxEvent) -> Sql {
    let there = " AND EXISTS (SELECT 1 FROM outbox WHERE seq = ? AND ";
    let there = Sql::new(there).bind(event.seq);
    match event.subject {
        Subject::Entry(id) => there.then("entry_id = ? AND revision IS NULL)").bind(id),
        Subject::EntryChange(id, number) => {
            let there = there.then("entry_id = ? AND revision = ?)");
            there.bind(id).bind(number)
        }
        Subject::AccountChange(id, revision) => {
            let there = there.then("account_id = ? AND revision = ?)");
            there.bind(id).bind(revision)
        }
    }
}

/// The first dead letter that is to be sent once more.
async fn requested(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<OutboxEvent>, DbErr> {
    let first = Sql::new(
        "SELECT seq FROM webhook_dead_letter WHERE webhook_id = ? AND is_requested = 1 ORDER BY seq LIMIT 1",
    )
    .bind(id);
    let Some(row) = db.query_one_raw(first.statement(db)).await? else {
        return Ok(None);
    };
    event_by_number(db, row.try_get("", "seq")?).await
}

/// Records an attempt. Returns the lease that this server has now, or none if nothing is recorded: another server has taken the endpoint
/// meanwhile, it was deleted, other events were chosen, or the database has gone back to before the event. Then whoever has the endpoint
/// sends what is next now, which may be the same event. At most three statements.
///
/// # Errors
/// When the database fails. The transaction must then be rolled back.
pub async fn record_attempt(
    db: &impl ConnectionTrait,
    attempt: Attempt,
    now: DateTime<Utc>,
) -> Result<Option<i64>, DbErr> {
    let Attempt {
        webhook: id,
        lease,
        choice,
        event,
        is_letter,
        outcome,
    } = attempt;
    let seq = event.seq;
    let now = input::microseconds(now);
    let mut set = Sql::new("UPDATE webhook SET lease = lease + 1");
    let mut is_last = false;
    let reason = match &outcome {
        Outcome::Delivered => {
            set = set.then(", last_success_at = ?").bind(now);
            None
        }
        Outcome::Failed { reason, .. } | Outcome::Gone { reason } => {
            // Some of it can come from the endpoint.
            let reason = reason.chars().filter(|it| !it.is_control());
            let reason: String = reason.take(REASON_LENGTH).collect();
            let reason = if reason.is_empty() {
                "it failed".to_owned()
            } else {
                reason
            };
            set = set.then(", last_failure_at = ?, last_failure = ?");
            set = set.bind(now).bind(reason.clone());
            Some(reason)
        }
    };
    match &outcome {
        // What fails once more stays where it is, and is in nobody's way.
        Outcome::Gone { .. } if is_letter => set = set.then(", status = 'STOPPED'"),
        Outcome::Delivered | Outcome::Failed { .. } if is_letter => {}
        Outcome::Gone { .. } => set = set.then(STOP),
        Outcome::Delivered => {
            set = set.then(", position = ?, failed_attempts = 0, next_attempt_at = NULL");
            set = set.bind(seq);
        }
        Outcome::Failed {
            next_attempt_at: Some(at),
            ..
        } => {
            set = set.then(", failed_attempts = failed_attempts + 1, next_attempt_at = ?");
            set = set.bind(input::microseconds(*at));
        }
        Outcome::Failed {
            next_attempt_at: None,
            ..
        } => is_last = true,
    }
    let webhook = match is_last {
        true => find::webhook(db, id).await?,
        false => None,
    };
    let attempts = webhook.as_ref().map_or(1, |it| it.failed_attempts + 1);
    let skips = webhook.is_some_and(|it| it.when_exhausted == WhenExhausted::Skip);
    if is_last && skips {
        set = set.then(", position = ?, failed_attempts = 0, next_attempt_at = NULL");
        set = set.bind(seq);
    } else if is_last {
        set = set.then(STOP);
    }
    let mut set = set
        .then(" WHERE id = ? AND lease = ? AND lease_ms IS NOT NULL")
        .bind(id)
        .bind(lease);
    if !is_letter {
        // Between the last position and this event can be some that are chosen now.
        set = set.then(" AND choice = ?").bind(choice);
    }
    // After a failover that has lost it, its number can be another event's.
    let set = set.and(still_there(event));
    if db.execute_raw(set.statement(db)).await?.rows_affected() != 1 {
        return Ok(None);
    }
    let letter = match (is_letter, reason) {
        (true, None) => Some(
            Sql::new("DELETE FROM webhook_dead_letter WHERE webhook_id = ? AND seq = ?")
                .bind(id)
                .bind(seq),
        ),
        (true, Some(reason)) => Some(
            Sql::new(
                "UPDATE webhook_dead_letter SET attempts = attempts + 1, failed_at = ?, reason = ?, is_requested = 0
                 WHERE webhook_id = ? AND seq = ?",
            )
            .bind(now)
            .bind(reason)
            .bind(id)
            .bind(seq),
        ),
        (false, Some(reason)) if is_last && skips => Some(
            Sql::new(
                "INSERT INTO webhook_dead_letter (webhook_id, seq, attempts, failed_at, reason, is_requested)
                 VALUES (?, ?, ?, ?, ?, 0)",
            )
            .bind(id)
            .bind(seq)
            .bind(attempts)
            .bind(now)
            .bind(reason),
        ),
        (false, _) => None,
    };
    if let Some(letter) = letter {
        db.execute_raw(letter.statement(db)).await?;
    }
    Ok(Some(lease + 1))
}
