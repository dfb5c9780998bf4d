//! The outbox: every committed event once, under a number, to be read from any number on. An event is an entry that was posted, or a
//! change of what describes an account or an entry.
//!
//! The database numbers an entry when its first line is written, while the entry's accounts are locked, and a change of an account when it
//! is written, while that account is locked. So the numbers of events that touch a common account are in the order of their commits;
//! between others no order can be observed.
//!
//! **Numbers become visible out of order.** A transaction draws its number before it commits, so a larger number may become
//! visible first. A reader that went on from the largest visible number would miss the smaller one for ever. A number is
//! *settled* when it and every smaller number are visible, or can no longer appear. [`Horizon`] has the rule that tells.
//!
//! **What the rule needs of writers**: a transaction has its transaction id before it draws its number, and numbers are drawn
//! one by one. Both hold by construction: a number is drawn only by triggers that run after the insertion of a line or of a change,
//! which has given the transaction its id; and the sequence has no cache. [`numbers_one_by_one`] asks the database for the latter.
//!
//! On SQLite there is one writer at a time, so whatever is visible is settled. On MariaDB too, because an event gets its number after its
//! transaction has committed, and one transaction at a time gives out numbers: [`number_events`].

mod horizon;
mod numbering;

use crate::ledger::dialect;
use std::collections::HashMap;

use super::{AccountRef, Visible};
pub use horizon::{Horizon, Progress};
pub(super) use numbering::{NEXT_NUMBERS, number_all_events, of_every_event};
pub use numbering::{NUMBERED_AT_ONCE, has_unnumbered_events, number_events};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Value};
use uuid::Uuid;

/// Something was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Its number.
    pub seq: i64,
    /// What it is about.
    pub subject: Subject,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An entry was posted.
    Entry(Uuid),
    /// What describes an entry was changed: the entry, and the number of the change.
    EntryChange(Uuid, i64),
    /// An account was opened, or what describes it was changed: the account, and its revision.
    AccountChange(Uuid, i64),
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// [`Subject::Entry`]
    Entry,
    /// [`Subject::EntryChange`]
    EntryChange,
    /// [`Subject::AccountChange`]
    AccountChange,
}

impl Subject {
    /// The kind of event.
    #[must_use]
    pub const fn kind(self) -> EventKind {
        match self {
            Self::Entry(_) => EventKind::Entry,
            Self::EntryChange(..) => EventKind::EntryChange,
            Self::AccountChange(..) => EventKind::AccountChange,
        }
    }
}

impl EventKind {
    /// The condition for rows of this kind.
    const fn condition(self, engine: DbBackend) -> &'static str {
        match (self, engine) {
            (Self::Entry, _) => "revision IS NULL",
            // By the column of its index.
            (Self::EntryChange, DbBackend::MySql) => "is_change = 1 AND entry_id IS NOT NULL",
            (Self::AccountChange, DbBackend::MySql) => "is_change = 1 AND account_id IS NOT NULL",
            (Self::EntryChange, _) => "revision IS NOT NULL AND entry_id IS NOT NULL",
            (Self::AccountChange, _) => "revision IS NOT NULL AND account_id IS NOT NULL",
        }
    }
}

/// Which events.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    /// Of this kind.
    pub kind: EventKind,
    /// About one of these accounts, or an entry that touches one, if any are given.
    pub accounts: Option<&'a [AccountRef]>,
    /// Of these ledgers, if not of all.
    pub visible: Option<&'a Visible>,
}

/// An account that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedAccount {
    /// Its id.
    pub id: Uuid,
    /// Its code.
    pub code: String,
    /// Its ledger; none is the one without a name.
    pub ledger: Option<String>,
}

/// What one snapshot shows of the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The largest number that is visible; 0 when there is none.
    pub newest: i64,
    /// All transactions with smaller ids have ended; `None` on SQLite and MariaDB, where numbers become visible in order.
    pub oldest_running: Option<i64>,
    /// When the database server was started: another value is another server, or the same after a restart.
    pub server_started: i64,
    /// The first events from the number that was asked for on, that one included.
    pub events: Vec<OutboxEvent>,
    /// Whether there may be more events than these.
    pub is_cut: bool,
    /// Whether there are events that have no number yet; see [`number_events`].
    pub has_unnumbered: bool,
}

/// Looks at the outbox from number `from` on, and reads at most `limit` events: one statement, by index.
///
/// # Errors
/// When the database fails.
pub async fn look_at_outbox(
    db: &impl ConnectionTrait,
    from: i64,
    limit: usize,
) -> Result<Look, DbErr> {
    let backend = db.get_database_backend();
    let (oldest_running, server_started) = match backend {
        DbBackend::Postgres => (
            "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
            "CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS bigint)",
        ),
        _ => ("NULL", "0"),
    };
    let has_unnumbered = match backend {
        DbBackend::MySql => "EXISTS (SELECT 1 FROM outbox_unnumbered) AS has_unnumbered, ",
        _ => "",
    };
    let sql = format!(
        "SELECT {has_unnumbered}look.newest, look.oldest_running, look.server_started, page.*
         FROM (SELECT COALESCE((SELECT MAX(seq) FROM outbox), 0) AS newest,
                      {oldest_running} AS oldest_running, {server_started} AS server_started) AS look
         LEFT JOIN (SELECT seq, entry_id, account_id, revision FROM outbox WHERE seq >= $1 ORDER BY seq LIMIT {limit}) AS page ON 1 = 1
         ORDER BY page.seq"
    );
    let statement = dialect::statement(backend, sql, [from.into()]);
    let rows = db.query_all_raw(statement).await?;
    let mut look = Look::default();
    for row in &rows {
        look.newest = row.try_get("", "newest")?;
        look.oldest_running = row.try_get("", "oldest_running")?;
        look.server_started = row.try_get("", "server_started")?;
        look.events.extend(event_of(row)?);
    }
    look.is_cut = look.events.len() >= limit;
    if let (DbBackend::MySql, Some(row)) = (backend, rows.first()) {
        look.has_unnumbered = row.try_get::<i64>("", "has_unnumbered")? != 0;
    }
    Ok(look)
}

/// The event of a row, unless the row has none.
pub(super) fn event_of(row: &QueryResult) -> Result<Option<OutboxEvent>, DbErr> {
    let seq: Option<i64> = row.try_get("", "seq")?;
    let Some(seq) = seq else {
        return Ok(None);
    };
    let revision: Option<i64> = row.try_get("", "revision")?;
    let subject = match (row.try_get("", "entry_id")?, revision) {
        (Some(entry_id), None) => Subject::Entry(entry_id),
        (Some(entry_id), Some(number)) => Subject::EntryChange(entry_id, number),
        (None, _) => {
            Subject::AccountChange(row.try_get("", "account_id")?, row.try_get("", "revision")?)
        }
    };
    Ok(Some(OutboxEvent { seq, subject }))
}

/// A transaction id that is larger than that of every transaction which has drawn a number so far.
///
/// Only a transaction that may write gets an id, and only on the primary. Nothing is written: roll the transaction back.
///
/// # Errors
/// When the database fails.
pub async fn fence_outbox(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let sql = "SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint) AS fence";
    let statement = dialect::plain(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("a transaction id".to_owned()))?
        .try_get("", "fence")
}

/// Whether the database draws numbers one by one: a sequence with a cache hands each session a stock of numbers, and then a
/// number says nothing about when it was drawn.
///
/// # Errors
/// When the database fails.
pub async fn numbers_one_by_one(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(true);
    }
    let sql =
        "SELECT seqcache = 1 AND seqincrement = 1 AND NOT seqcycle AS one_by_one FROM pg_sequence
               WHERE seqrelid = CAST(pg_get_serial_sequence('outbox', 'seq') AS regclass)";
    let statement = dialect::plain(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await?;
    row.map_or(Ok(false), |row| row.try_get("", "one_by_one"))
}

/// The first `limit` events after `after` up to `until`, of all kinds.
pub(super) async fn events_between(
    db: &impl ConnectionTrait,
    after: i64,
    until: i64,
    limit: usize,
) -> Result<Vec<OutboxEvent>, DbErr> {
    let sql = format!(
        "SELECT seq, entry_id, account_id, revision FROM outbox WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT {limit}"
    );
    let parameters = [after.into(), until.into()];
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .filter_map(|row| event_of(row).transpose())
        .collect()
}

/// The event with this number.
pub(super) async fn event_by_number(
    db: &impl ConnectionTrait,
    seq: i64,
) -> Result<Option<OutboxEvent>, DbErr> {
    let events = events_between(db, seq - 1, seq, 1).await?;
    Ok(events.into_iter().next())
}

/// The largest number that is visible; 0 when there is none.
///
/// # Errors
/// When the database fails.
pub async fn newest_in_outbox(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let sql = "SELECT COALESCE(MAX(seq), 0) AS newest FROM outbox";
    let row = db
        .query_one_raw(dialect::plain(db.get_database_backend(), sql))
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "newest"))
}

/// The numbers that are visible after `after`, in order, but no more than the last `most` numbers before the largest one.
///
/// # Errors
/// When the database fails.
pub async fn visible_in_outbox(
    db: &impl ConnectionTrait,
    after: i64,
    most: i64,
) -> Result<Vec<i64>, DbErr> {
    let sql = "SELECT seq FROM outbox
               WHERE seq > $1 AND seq > COALESCE((SELECT MAX(seq) FROM outbox), 0) - $2 ORDER BY seq";
    let parameters = [after.into(), most.into()];
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get("", "seq")).collect()
}

/// At most `limit` events after `after` up to `until`, which must be settled: those that are chosen.
///
/// # Errors
/// When the database fails.
pub async fn read_outbox(
    db: &impl ConnectionTrait,
    after: i64,
    until: i64,
    chosen: Chosen<'_>,
    limit: usize,
) -> Result<Vec<OutboxEvent>, DbErr> {
    let Chosen {
        kind,
        accounts,
        visible,
    } = chosen;
    let mut parameters: Vec<Value> = vec![after.into(), until.into()];
    let mut places = |values: Vec<Value>| -> Vec<String> {
        let first = parameters.len() + 1;
        let places = (first..).take(values.len());
        parameters.extend(values);
        places.map(|place| format!("${place}")).collect()
    };
    let mut conditions = Vec::new();
    if let Some(accounts) = accounts {
        let (ids, codes) = AccountRef::ids_and_codes(accounts);
        let ids = places(ids.into_iter().map(Value::from).collect());
        let codes = places(codes.into_iter().map(Value::from).collect());
        // By code anew each time: an account that does not exist yet may be opened later.
        conditions.push(format!(
            "({} OR {})",
            one_of("account.id", &ids),
            one_of("account.code", &codes)
        ));
    }
    if let Some(visible) = visible {
        let codes = places(visible.codes().map(Value::from).collect());
        conditions.push(one_of("account.ledger", &codes));
    }
    let wanted = if conditions.is_empty() {
        String::new()
    } else {
        let about = match kind {
            EventKind::Entry | EventKind::EntryChange => {
                "entry_line JOIN account ON account.id IN (debit_account_id, credit_account_id)
                 WHERE entry_line.entry_id = outbox.entry_id"
            }
            EventKind::AccountChange => "account WHERE account.id = outbox.account_id",
        };
        let conditions = conditions.join(" AND ");
        format!(" AND EXISTS (SELECT 1 FROM {about} AND {conditions})")
    };
    let sql = format!(
        "SELECT seq, entry_id, account_id, revision FROM outbox
         WHERE seq > $1 AND seq <= $2 AND {}{wanted} ORDER BY seq LIMIT {limit}",
        kind.condition(db.get_database_backend())
    );
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .filter_map(|row| event_of(row).transpose())
        .collect()
}

/// The accounts that each of these is about: those that an entry touches, or the account itself.
///
/// # Errors
/// When the database fails.
pub async fn accounts_of_subjects(
    db: &impl ConnectionTrait,
    subjects: &[Subject],
) -> Result<HashMap<Subject, Vec<TouchedAccount>>, DbErr> {
    let (mut entries, mut accounts) = (Vec::new(), Vec::new());
    for subject in subjects {
        match *subject {
            Subject::Entry(id) | Subject::EntryChange(id, _) => entries.push(id),
            Subject::AccountChange(id, _) => accounts.push(id),
        }
    }
    let place = |n: usize| format!("${n}");
    let entry_places: Vec<_> = (1..=entries.len()).map(place).collect();
    let account_places = entries.len() + 1..=entries.len() + accounts.len();
    let account_places: Vec<_> = account_places.map(place).collect();
    let mut parts = Vec::new();
    if !entries.is_empty() {
        parts.push(format!(
            "SELECT DISTINCT entry_line.entry_id AS subject, account.id, account.code, account.ledger
             FROM entry_line JOIN account ON account.id IN (debit_account_id, credit_account_id) WHERE {}",
            one_of("entry_line.entry_id", &entry_places)
        ));
    }
    if !accounts.is_empty() {
        parts.push(format!(
            "SELECT id AS subject, id, code, ledger FROM account WHERE {}",
            one_of("id", &account_places)
        ));
    }
    let mut touched: HashMap<Uuid, Vec<TouchedAccount>> = HashMap::new();
    if !parts.is_empty() {
        let parameters = entries.iter().chain(&accounts).map(|id| Value::from(*id));
        let sql = parts.join(" UNION ALL ");
        let statement = dialect::statement(db.get_database_backend(), sql, parameters);
        for row in db.query_all_raw(statement).await? {
            let touched = touched.entry(row.try_get("", "subject")?).or_default();
            touched.push(TouchedAccount {
                id: row.try_get("", "id")?,
                code: row.try_get("", "code")?,
                ledger: row.try_get("", "ledger")?,
            });
        }
    }
    let touched = |subject: &Subject| {
        let (Subject::Entry(id) | Subject::EntryChange(id, _) | Subject::AccountChange(id, _)) =
            subject;
        (*subject, touched.get(id).cloned().unwrap_or_default())
    };
    Ok(subjects.iter().map(touched).collect())
}

fn one_of(column: &str, places: &[String]) -> String {
    if places.is_empty() {
        "1 = 0".to_owned()
    } else {
        format!("{column} IN ({})", places.join(", "))
    }
}
