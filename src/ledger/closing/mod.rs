//! Closing the books: nothing is posted that counts from before an instant, on any account or on those whose codes begin with a prefix.
//!
//! A period is closed from the beginning of time until an instant, which is the first that is open again. What counts is the entry's
//! `effective_at`, whatever its kind: what would be captured, released, reversed or imported into a closed period is refused, too. Entries
//! that are there stay as they are.
//!
//! The database keeps the rule itself (see the migration), and the domain asks for it with the statement that locks the accounts, so that
//! the refusal can say until when, and for which accounts. On PostgreSQL, that statement also locks `closed_period` in a mode that does
//! not meet other entries, and that a closing waits for: of an entry and a closing at the same time, either the entry is before the
//! closing, or it is refused. This needs the isolation level READ COMMITTED, which writers have.

mod check;

use super::keyset::{Key, Keyset};
use super::locking;
use super::{
    Clock, Code, InvalidInput, Page, PageError, PageRequest, Random, input, new_account_id,
};
use crate::ledger::{dialect, outbox::number_all_events};
pub(super) use check::{Asked, Closed, ON_MARIADB, ask, refuse_closed};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::closing;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, PaginatorTrait as _,
    QueryFilter, QueryOrder, Value,
};
use std::collections::HashMap;
use uuid::Uuid;

/// Until when the books are to be closed.
#[derive(Clone, Debug)]
pub struct CloseBooks {
    /// The random part of the closing's id.
    pub random: Random,
    /// Of the accounts whose codes begin with this; of all, where it is empty.
    pub code_prefix: String,
    /// The first instant that is open. To close them, not in the future; to reopen them, none opens everything.
    pub closed_until: Option<DateTime<Utc>>,
    /// At most 1000 characters for people.
    pub reason: Option<String>,
    /// Who does it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Why the books were neither closed nor reopened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseBooksError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The database failed.
    #[error("the database failed while the books were being closed or reopened")]
    Database {
        /// How.
        #[from]
        source: DbErr,
    },
}

impl CloseBooksError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::Database { .. } => None,
        }
    }
}

fn text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Closes the books until an instant: three statements on PostgreSQL, or two if they are closed until then already, which is no change. It
/// waits for the entries that are being posted.
///
/// # Errors
/// When the instant is missing or in the future, when they are closed until a later instant, when the input breaks another rule, or when
/// the database fails.
pub async fn close_books(
    db: &impl ConnectionTrait,
    command: CloseBooks,
    clock: &Clock,
) -> Result<closing::Model, CloseBooksError> {
    let until = command
        .closed_until
        .ok_or_else(|| InvalidInput::new("closedUntil", "is missing: until when?"))?;
    let until = input::instant("closedUntil", until)?;
    let command = checked(command)?;
    let last = locked(db, &command.code_prefix).await?;
    let now = input::instant("now", clock.now())?;
    if until > now {
        let problem = "is in the future: the books can be closed until now, so that what happens next can be posted";
        return Err(InvalidInput::new("closedUntil", problem).into());
    }
    if let Some(last) = last
        && let Some(closed) = last.closed_until.filter(|closed| *closed >= until)
    {
        if closed == until {
            return Ok(last);
        }
        let problem = format!(
            "is before {}, until when they are closed: reopen the books for that",
            text(closed)
        );
        return Err(InvalidInput::new("closedUntil", problem).into());
    }
    insert(db, command, Some(until), now).await
}

/// Opens the books again, all of them or from an instant on: as many statements as closing them.
///
/// # Errors
/// When they are not closed, when they are closed until that instant or an earlier one, when the input breaks another rule, or when the
/// database fails.
pub async fn reopen_books(
    db: &impl ConnectionTrait,
    command: CloseBooks,
    clock: &Clock,
) -> Result<closing::Model, CloseBooksError> {
    let until = command.closed_until;
    let until = until
        .map(|until| input::instant("closedUntil", until))
        .transpose()?;
    let command = checked(command)?;
    let last = locked(db, &command.code_prefix).await?;
    let now = input::instant("now", clock.now())?;
    let Some(closed) = last.and_then(|last| last.closed_until) else {
        let problem = "is not closed: see `closedPeriods`, and give a prefix as it is there, or none for all accounts";
        return Err(InvalidInput::new("codePrefix", problem).into());
    };
    if until.is_some_and(|until| until >= closed) {
        let problem = format!(
            "is not before {}, until when they are closed: close the books for that",
            text(closed)
        );
        return Err(InvalidInput::new("closedUntil", problem).into());
    }
    insert(db, command, until, now).await
}

fn checked(command: CloseBooks) -> Result<CloseBooks, InvalidInput> {
    let code_prefix = match command.code_prefix.trim() {
        "" => String::new(),
        prefix => input::account_code("codePrefix", prefix)?,
    };
    let reason = input::description("reason", command.reason.as_deref())?;
    Ok(CloseBooks {
        code_prefix,
        reason,
        ..command
    })
}

/// The last closing of this prefix. Nobody posts, closes or reopens until the transaction ends.
async fn locked(
    db: &impl ConnectionTrait,
    code_prefix: &str,
) -> Result<Option<closing::Model>, DbErr> {
    locking::whole(db, "closed_period", "EXCLUSIVE").await?;
    closing::Entity::find()
        .filter(closing::Column::CodePrefix.eq(code_prefix))
        .order_by_desc(closing::Column::Number)
        .one(db)
        .await
}

async fn insert(
    db: &impl ConnectionTrait,
    command: CloseBooks,
    closed_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<closing::Model, CloseBooksError> {
    // What was posted before has a smaller number than what is posted from now on.
    number_all_events(db).await?;
    let statement = dialect::statement(
        db.get_database_backend(),
        "INSERT INTO closing (id, code_prefix, closed_until, reason, recorded_at, recorded_by, after_seq)
         VALUES ($1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(seq), 0) FROM outbox)) RETURNING *",
        [
            new_account_id(now, command.random).into(),
            command.code_prefix.into(),
            closed_until.into(),
            command.reason.into(),
            now.into(),
            command.recorded_by.into(),
        ],
    );
    let row = db.query_one_raw(statement).await?;
    let row = row.ok_or(DbErr::RecordNotInserted)?;
    Ok(closing::Model::from_query_result(&row, "")?)
}

/// A page of closings and reopenings: one statement, two with a cursor; newest first.
///
/// # Errors
/// When the arguments break a rule or the database fails.
pub async fn page_closings(
    db: &impl ConnectionTrait,
    request: &PageRequest,
) -> Result<Page<closing::Model>, PageError> {
    let keyset = Keyset::<closing::Entity> {
        tag: 22,
        column: closing::Column::Number,
        id: closing::Column::Id,
        descending: true,
        position: |row, _| (Key::Version(row.number), row.id),
    };
    keyset.page(db, closing::Entity::find(), request).await
}

/// How many closings and reopenings there are: one statement. There are few of them.
///
/// # Errors
/// When the database fails.
pub async fn count_closings(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    closing::Entity::find().count(db).await
}

/// All closings and reopenings, in their order: one statement. There are few of them.
///
/// # Errors
/// When the database fails.
pub async fn all_closings(db: &impl ConnectionTrait) -> Result<Vec<closing::Model>, DbErr> {
    closing::Entity::find()
        .order_by_asc(closing::Column::Number)
        .all(db)
        .await
}

/// The last closing of each prefix that is closed. It reads the history, so that it is in no closing's way.
const CLOSED: &str =
    "number IN (SELECT MAX(number) FROM closing GROUP BY code_prefix) AND closed_until IS NOT NULL";

/// What is closed, by prefix: one statement.
///
/// # Errors
/// When the database fails.
pub async fn closed_periods(db: &impl ConnectionTrait) -> Result<Vec<closing::Model>, DbErr> {
    let sql = format!("SELECT * FROM closing WHERE {CLOSED} ORDER BY code_prefix");
    let statement = dialect::plain(db.get_database_backend(), sql);
    closing::Model::find_by_statement(statement).all(db).await
}

/// Until when each of these accounts is closed, for those that are: one statement.
///
/// # Errors
/// When the database fails.
pub async fn closed_until(
    db: &impl ConnectionTrait,
    account_ids: &[Uuid],
) -> Result<HashMap<Uuid, DateTime<Utc>>, DbErr> {
    if account_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<_> = (1..=account_ids.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT account.id, MAX(closed_until) AS closed_until FROM account
         JOIN closing ON substr(account.code, 1, length(code_prefix)) = code_prefix
         WHERE {CLOSED} AND account.id IN ({}) GROUP BY account.id",
        places.join(", ")
    );
    let parameters = account_ids.iter().map(|id| Value::from(*id));
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    let rows = db.query_all_raw(statement).await?;
    let rows = rows.iter();
    rows.map(|row| Ok((row.try_get("", "id")?, row.try_get("", "closed_until")?)))
        .collect()
}
