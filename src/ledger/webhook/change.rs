//! Creates endpoints, changes and deletes them, and asks for dead letters to be sent again.

use super::{
    MOST_WEBHOOK_ACCOUNTS, MOST_WEBHOOKS, WebhookError,
    start::{StartAfter, start},
};
use crate::ledger::{
    AccountRef, EventKind, Id, InvalidInput, Random, accounts_by_code, accounts_by_id, input,
    input::Checks, locking, new_account_id, sql::Sql, unknown_account,
};
use chrono::{DateTime, Duration, Utc};
use daybook_entity::{WebhookSecret, WebhookStatus, WhenExhausted, webhook, webhook_dead_letter};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QuerySelect, Set, sea_query::Expr,
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The kinds of events by name, in the order in which they are stored.
pub(super) const KINDS: [(EventKind, &str); 3] = [
    (EventKind::Entry, "ENTRY_POSTED"),
    (EventKind::AccountChange, "ACCOUNT_CHANGED"),
    (EventKind::EntryChange, "ENTRY_CHANGED"),
];

const URL_LENGTH: usize = 2000;

/// How many dead letters are asked for at once.
const MOST_LETTERS: usize = 100;

/// For how long a secret that was replaced is still signed with, at most.
const LONGEST_OVERLAP: Duration = Duration::days(30);

/// The endpoint to create.
#[derive(Clone)]
pub struct CreateWebhook {
    /// The random part of its id.
    pub random: Random,
    /// Where events are sent. The caller has checked that the server may send there.
    pub url: String,
    /// Which kinds; at least one.
    pub events: Vec<EventKind>,
    /// Only those about one of these accounts; all, if there is none.
    pub accounts: Vec<AccountRef>,
    /// What becomes of an event whose last attempt has failed.
    pub when_exhausted: WhenExhausted,
    /// What requests are signed with.
    pub secret: WebhookSecret,
    /// Where it begins.
    pub after: StartAfter,
    /// Who creates it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub created_by: Option<String>,
}

/// What an endpoint is to become. What is not given stays.
#[derive(Clone)]
pub struct UpdateWebhook {
    /// The endpoint.
    pub id: Uuid,
    /// Where events are sent. The caller has checked that the server may send there.
    pub url: Option<String>,
    /// Which kinds; at least one.
    pub events: Option<Vec<EventKind>>,
    /// Only those about one of these accounts; all, if there is none.
    pub accounts: Option<Vec<AccountRef>>,
    /// What becomes of an event whose last attempt has failed.
    pub when_exhausted: Option<WhenExhausted>,
    /// Whether events are sent.
    pub state: Option<WebhookState>,
}

/// What somebody can set the status of an endpoint to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// Events are sent, at once: what has failed before does not count any more.
    Active,
    /// Events wait.
    Paused,
}

/// The secret that an endpoint is to have from now on.
#[derive(Clone)]
pub struct RotateWebhookSecret {
    /// The endpoint.
    pub id: Uuid,
    /// What requests are signed with.
    pub secret: WebhookSecret,
    /// For how long they are signed with the one before, too.
    pub overlap: Duration,
}

/// Creates an endpoint: three statements, one more on PostgreSQL, and four more if it chooses accounts.
///
/// # Errors
/// When the input breaks a rule, when there is no such account, when there are too many endpoints, or when the database fails.
pub async fn create_webhook(
    db: &impl ConnectionTrait,
    command: CreateWebhook,
    now: DateTime<Utc>,
) -> Result<webhook::Model, WebhookError> {
    let created_at = input::instant("now", now)?;
    let mut checks = Checks::default();
    let url = checks.take(checked_url(&command.url));
    let events = checks.take(names(&command.events));
    checks.take(few_accounts(&command.accounts));
    if let Some(refusal) = checks.refusal() {
        return Err(refusal.into());
    }
    one_by_one(db).await?;
    let count = webhook::Entity::find().count(db).await?;
    if usize::try_from(count).unwrap_or(usize::MAX) >= MOST_WEBHOOKS {
        let problem =
            format!("there are {MOST_WEBHOOKS} webhooks, and no more are kept: delete one first");
        return Err(InvalidInput::new("url", problem).into());
    }
    let accounts = account_ids(db, &command.accounts).await?;
    let position = start(db, command.after).await?;
    let webhook = webhook::Model {
        id: new_account_id(now, command.random),
        url: url.unwrap_or_default(),
        events: events.unwrap_or_default(),
        choice: 1,
        when_exhausted: command.when_exhausted,
        status: WebhookStatus::Active,
        secret: command.secret,
        previous_secret: None,
        previous_secret_until: None,
        position,
        failed_attempts: 0,
        next_attempt_at: None,
        last_success_at: None,
        last_failure_at: None,
        last_failure: None,
        lease: 0,
        lease_ms: None,
        created_at,
        created_by: command.created_by,
    };
    webhook::Entity::insert(webhook.clone().into_active_model())
        .exec_without_returning(db)
        .await?;
    choose(db, webhook.id, &accounts).await?;
    Ok(webhook)
}

/// Changes an endpoint. What is under way to it is not recalled; if other events are chosen meanwhile, it is not recorded either, and is
/// sent again if it is chosen still.
///
/// # Errors
/// When the input breaks a rule, when there is no such endpoint or account, or when the database fails.
pub async fn update_webhook(
    db: &impl ConnectionTrait,
    command: UpdateWebhook,
) -> Result<webhook::Model, WebhookError> {
    let webhook = locked(db, command.id).await?;
    let mut changed = webhook.clone().into_active_model();
    let mut checks = Checks::default();
    if let Some(url) = &command.url
        && let Some(url) = checks.take(checked_url(url))
    {
        changed.url = Set(url);
    }
    if let Some(events) = &command.events
        && let Some(events) = checks.take(names(events))
    {
        changed.events = Set(events);
    }
    if let Some(accounts) = &command.accounts {
        checks.take(few_accounts(accounts));
    }
    if let Some(refusal) = checks.refusal() {
        return Err(refusal.into());
    }
    if command.events.is_some() || command.accounts.is_some() {
        changed.choice = Set(webhook.choice + 1);
        // They are those of an event that may not be the next one any more.
        changed.failed_attempts = Set(0);
        changed.next_attempt_at = Set(None);
    }
    if let Some(when_exhausted) = command.when_exhausted {
        changed.when_exhausted = Set(when_exhausted);
    }
    match command.state {
        Some(WebhookState::Active) => {
            changed.status = Set(WebhookStatus::Active);
            changed.failed_attempts = Set(0);
            changed.next_attempt_at = Set(None);
        }
        Some(WebhookState::Paused) => changed.status = Set(WebhookStatus::Paused),
        None => {}
    }
    if let Some(accounts) = &command.accounts {
        let accounts = account_ids(db, accounts).await?;
        let forget = "DELETE FROM webhook_account WHERE webhook_id = ?";
        let forget = Sql::new(forget).bind(command.id);
        db.execute_raw(forget.statement(db)).await?;
        choose(db, command.id, &accounts).await?;
    }
    if changed.is_changed() {
        Ok(changed.update(db).await?)
    } else {
        Ok(webhook)
    }
}

/// Deletes an endpoint, with what could not be delivered to it. Returns what it was.
///
/// # Errors
/// When there is no such endpoint, or when the database fails.
pub async fn delete_webhook(
    db: &impl ConnectionTrait,
    id: Uuid,
) -> Result<webhook::Model, WebhookError> {
    let webhook = locked(db, id).await?;
    webhook::Entity::delete_by_id(id).exec(db).await?;
    Ok(webhook)
}

/// Gives an endpoint another secret. For a while, requests are signed with the one before as well. One from before that is forgotten.
///
/// # Errors
/// When the time is negative or longer than 30 days, when there is no such endpoint, or when the database fails.
pub async fn rotate_webhook_secret(
    db: &impl ConnectionTrait,
    command: RotateWebhookSecret,
    now: DateTime<Utc>,
) -> Result<webhook::Model, WebhookError> {
    if command.overlap < Duration::zero() || command.overlap > LONGEST_OVERLAP {
        let problem = "must be 0 to 720 hours";
        return Err(InvalidInput::new("keepPreviousHours", problem).into());
    }
    let webhook = locked(db, command.id).await?;
    let until = input::instant("now", now + command.overlap)?;
    let previous = (command.overlap > Duration::zero()).then(|| webhook.secret.clone());
    let mut changed = webhook.into_active_model();
    changed.secret = Set(command.secret);
    changed.previous_secret_until = Set(previous.as_ref().map(|_| until));
    changed.previous_secret = Set(previous);
    Ok(changed.update(db).await?)
}

/// Asks for dead letters to be sent once more, each once: before the events that are still to come, in their order.
///
/// # Errors
/// When there is no such endpoint, when an event is not among its dead letters, or when the database fails.
pub async fn redeliver_webhook_events(
    db: &impl ConnectionTrait,
    id: Uuid,
    cursors: &[i64],
) -> Result<webhook::Model, WebhookError> {
    if cursors.is_empty() || cursors.len() > MOST_LETTERS {
        let problem = format!("must have 1 to {MOST_LETTERS} cursors");
        return Err(InvalidInput::new("cursors", problem).into());
    }
    let webhook = locked(db, id).await?;
    let letters = webhook_dead_letter::Entity::find()
        .filter(webhook_dead_letter::Column::WebhookId.eq(id))
        .filter(webhook_dead_letter::Column::Seq.is_in(cursors.iter().copied()))
        .all(db)
        .await?;
    let there: BTreeSet<_> = letters.into_iter().map(|letter| letter.seq).collect();
    if let Some(cursor) = cursors.iter().find(|cursor| !there.contains(cursor)) {
        return Err(WebhookError::NoDeadLetter { cursor: *cursor });
    }
    webhook_dead_letter::Entity::update_many()
        .col_expr(webhook_dead_letter::Column::IsRequested, Expr::value(1_i64))
        .filter(webhook_dead_letter::Column::WebhookId.eq(id))
        .filter(webhook_dead_letter::Column::Seq.is_in(there))
        .exec(db)
        .await?;
    Ok(webhook)
}

/// Nobody else creates an endpoint until the transaction ends. The database does so, too; that would be after they were counted.
async fn one_by_one(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    locking::whole(db, "webhook", "SHARE ROW EXCLUSIVE").await
}

/// The endpoint, locked: of two changes at once, the second builds on the first.
async fn locked(db: &impl ConnectionTrait, id: Uuid) -> Result<webhook::Model, WebhookError> {
    let find = webhook::Entity::find_by_id(id).lock(locking::of_update(db));
    let webhook = find.one(db).await?;
    webhook.ok_or_else(|| WebhookError::NotFound {
        id: Id::Webhook(id).to_string(),
    })
}

fn checked_url(url: &str) -> Result<String, InvalidInput> {
    if url.chars().count() > URL_LENGTH {
        let problem = format!("is longer than {URL_LENGTH} characters");
        return Err(InvalidInput::new("url", problem));
    }
    Ok(url.to_owned())
}

/// The names of these kinds, as they are stored.
fn names(kinds: &[EventKind]) -> Result<String, InvalidInput> {
    let chosen = KINDS.iter().filter(|(kind, _)| kinds.contains(kind));
    let names: Vec<_> = chosen.map(|(_, name)| *name).collect();
    if names.is_empty() {
        return Err(InvalidInput::new("events", "must have one kind at least"));
    }
    Ok(names.join(" "))
}

fn few_accounts(accounts: &[AccountRef]) -> Result<(), InvalidInput> {
    if accounts.len() > MOST_WEBHOOK_ACCOUNTS {
        let problem = format!(
            "has more than {MOST_WEBHOOK_ACCOUNTS} accounts: take all, and choose from what arrives"
        );
        return Err(InvalidInput::new("accounts", problem));
    }
    Ok(())
}

async fn account_ids(
    db: &impl ConnectionTrait,
    accounts: &[AccountRef],
) -> Result<BTreeSet<Uuid>, WebhookError> {
    if accounts.is_empty() {
        return Ok(BTreeSet::new());
    }
    if let Some(unknown) = unknown_account(db, "accounts", accounts, None).await? {
        return Err(unknown.into());
    }
    let (ids, codes) = AccountRef::ids_and_codes(accounts);
    let by_id = accounts_by_id(db, ids).await?;
    let by_code = accounts_by_code(db, codes).await?;
    Ok(by_id
        .into_keys()
        .chain(by_code.into_values().map(|account| account.id))
        .collect())
}

async fn choose(
    db: &impl ConnectionTrait,
    webhook: Uuid,
    accounts: &BTreeSet<Uuid>,
) -> Result<(), DbErr> {
    if accounts.is_empty() {
        return Ok(());
    }
    let rows = accounts
        .iter()
        .map(|account| Sql::new("(?, ?)").bind(webhook).bind(*account));
    let insert = Sql::new("INSERT INTO webhook_account (webhook_id, account_id) VALUES ")
        .and(Sql::join(rows, ", "));
    db.execute_raw(insert.statement(db)).await?;
    Ok(())
}
