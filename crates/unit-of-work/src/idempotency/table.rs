//! The table of the keys, and the statements on it.

use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::{recorder::Ticket, stored::Stored};
use crate::{
    Database, UnitOfWork,
    database::engine::words::{Words, words},
};

/// How many rows one statement of a sweep deletes: few enough to hold SQLite's one writer only shortly.
const BATCH: u64 = 500;

/// The statements that create the table, with `;` between them. Times are milliseconds since 1970, by the
/// application's clock.
///
/// This is history once it has run anywhere, and does not change.
///
/// ```
/// use sea_orm::DbBackend;
///
/// let sql = unit_of_work::idempotency::create_table(DbBackend::Sqlite);
/// assert!(sql.starts_with("CREATE TABLE unit_of_work_idempotency"));
/// ```
#[must_use]
pub fn create_table(engine: DbBackend) -> String {
    let Words {
        text,
        bigint,
        table_options,
        ..
    } = words(engine);
    format!(
        "CREATE TABLE unit_of_work_idempotency (
            viewer          {text} NOT NULL,
            idempotency_key {text} NOT NULL,
            fingerprint     {text} NOT NULL,
            response        text,
            expires_at      {bigint} NOT NULL,
            CONSTRAINT unit_of_work_idempotency_pkey PRIMARY KEY (viewer, idempotency_key)
        ){table_options};
        CREATE INDEX unit_of_work_idempotency_expires_at_idx ON unit_of_work_idempotency (expires_at);"
    )
}

/// The statement that drops the table.
///
/// ```
/// let sql = unit_of_work::idempotency::drop_table();
/// assert_eq!(sql, "DROP TABLE unit_of_work_idempotency;");
/// ```
#[must_use]
pub fn drop_table() -> &'static str {
    "DROP TABLE unit_of_work_idempotency;"
}

/// What has become of a key.
pub(super) enum Claim {
    /// It was free, and is this operation's.
    Fresh,
    /// It was used for the same operation, which answered this.
    Done(Stored),
    /// It was used for something else.
    Reused,
}

/// Takes the key, or finds out what it was used for; waits for a unit that holds it. A key that has expired is free.
///
/// The conflict locks the row even where it changes nothing, so that what stands in the way can still be read after it.
pub(super) async fn claim(
    unit: &UnitOfWork,
    ticket: &Ticket,
    now: SystemTime,
    expires_at: i64,
) -> Result<Claim, DbErr> {
    let fingerprint = ticket.fingerprint()?;
    let claimed = run(
        unit,
        "INSERT INTO unit_of_work_idempotency (viewer, idempotency_key, fingerprint, response, expires_at) \
         VALUES ($1, $2, $3, NULL, $4) \
         ON CONFLICT (viewer, idempotency_key) DO UPDATE \
         SET fingerprint = excluded.fingerprint, response = NULL, expires_at = excluded.expires_at \
         WHERE unit_of_work_idempotency.expires_at <= $5",
        [
            ticket.viewer.0.as_str().into(),
            ticket.key.as_str().into(),
            fingerprint.into(),
            expires_at.into(),
            milliseconds(now).into(),
        ],
    )
    .await?;
    if claimed == 1 {
        return Ok(Claim::Fresh);
    }
    let sql = "SELECT fingerprint, response FROM unit_of_work_idempotency \
               WHERE viewer = $1 AND idempotency_key = $2";
    let row = Statement::from_sql_and_values(
        unit.get_database_backend(),
        sql,
        [ticket.viewer.0.as_str().into(), ticket.key.as_str().into()],
    );
    let row = unit.query_one_raw(row).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("idempotency key".to_owned()))?;
    if row.try_get_by_index::<String>(0)? != fingerprint {
        return Ok(Claim::Reused);
    }
    // What is committed has its response: see `record`.
    let stored: String = row.try_get_by_index(1)?;
    Stored::read(&stored).map(Claim::Done)
}

/// Keeps the response under the key that was claimed, in the unit that claimed it.
pub(super) async fn record(
    unit: &UnitOfWork,
    ticket: &Ticket,
    response: &str,
) -> Result<(), DbErr> {
    let recorded = run(
        unit,
        "UPDATE unit_of_work_idempotency SET response = $3 WHERE viewer = $1 AND idempotency_key = $2",
        [
            ticket.viewer.0.as_str().into(),
            ticket.key.as_str().into(),
            response.into(),
        ],
    )
    .await?;
    match recorded {
        1 => Ok(()),
        _ => Err(DbErr::RecordNotUpdated),
    }
}

/// Deletes the keys that had expired at `now`, some at a time, and answers how many they were. Run it now and then: a
/// key that has expired is free whether it was swept or not.
///
/// ```no_run
/// use std::time::{Duration, SystemTime};
/// use unit_of_work::{Database, idempotency};
///
/// async fn sweep_every_hour(database: Database) -> Result<(), sea_orm::DbErr> {
///     loop {
///         idempotency::sweep(&database, SystemTime::now()).await?;
///         tokio::time::sleep(Duration::from_secs(3600)).await;
///     }
/// }
/// ```
///
/// # Errors
/// What the database says. What was deleted until then stays deleted.
///
/// # Cancel safety
/// Cancel safe: the batch under way is rolled back or committed as a whole.
pub async fn sweep(database: &Database, now: SystemTime) -> Result<u64, DbErr> {
    // A key that is being taken over or swept by another server is left to that.
    let locked = words(database.backend()).skip_locked;
    let sql = format!(
        "DELETE FROM unit_of_work_idempotency WHERE expires_at <= $1 AND (viewer, idempotency_key) IN \
         (SELECT viewer, idempotency_key FROM unit_of_work_idempotency WHERE expires_at <= $1 LIMIT {BATCH}{locked})"
    );
    let mut swept = 0;
    loop {
        let sql = sql.as_str();
        let batch = database
            .write(async move |unit| run(&unit, sql, [milliseconds(now).into()]).await)
            .await?;
        swept += batch;
        if batch < BATCH {
            return Ok(swept);
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn run<const N: usize>(
    unit: &UnitOfWork,
    sql: &str,
    values: [Value; N],
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(unit.get_database_backend(), sql, values);
    Ok(unit.execute_raw(statement).await?.rows_affected())
}
