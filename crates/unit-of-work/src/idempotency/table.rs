//! The table of keys, and its statements.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use super::{fingerprint, recorder::Ticket, stored::Stored};
use crate::{
    Database, UnitOfWork,
    database::engine::words::{Words, numbered, words},
};

/// How many rows one statement of a sweep deletes. It is small, so that SQLite's one writer is not kept for long.
const BATCH: u64 = 500;

/// The statements that create the table, with `;` between them. Times are milliseconds since 1970, by the
/// application's clock.
///
/// The statements never change, since migrations that have run must not change.
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
        long_text,
        bigint,
        table_options,
        ..
    } = words(engine);
    format!(
        "CREATE TABLE unit_of_work_idempotency (
            viewer          {text} NOT NULL,
            idempotency_key {text} NOT NULL,
            fingerprint     {text} NOT NULL,
            response        {long_text},
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

/// The result of claiming a key.
pub(super) enum Claim {
    /// The key was free, and now belongs to this operation.
    Fresh,
    /// The key was used for the same operation, which had this response.
    Done(Stored),
    /// The key was used for another operation.
    Reused,
}

/// Claims the key, or finds out for what it was used. Waits for a unit that holds it. An expired key is free.
///
/// The INSERT's conflict clause locks an existing row even if it does not change it, so that the row is still there when it is read
/// afterwards.
pub(super) async fn claim(
    unit: &UnitOfWork,
    ticket: &Ticket,
    now: i64,
    expires_at: i64,
) -> Result<Claim, DbErr> {
    let fingerprint = fingerprint::with_settings(unit.settings(), ticket.fingerprint()?);
    let values = [
        ticket.viewer.0.as_str().into(),
        ticket.key.as_str().into(),
        fingerprint.as_ref().into(),
        expires_at.into(),
        now.into(),
    ];
    if unit.get_database_backend() == DbBackend::MySql {
        return claim_on_mariadb(unit, &fingerprint, values).await;
    }
    let claimed = run(
        unit,
        "INSERT INTO unit_of_work_idempotency (viewer, idempotency_key, fingerprint, response, expires_at) \
         VALUES ($1, $2, $3, NULL, $4) \
         ON CONFLICT (viewer, idempotency_key) DO UPDATE \
         SET fingerprint = excluded.fingerprint, response = NULL, expires_at = excluded.expires_at \
         WHERE unit_of_work_idempotency.expires_at <= $5",
        values,
    )
    .await?;
    if claimed == 1 {
        return Ok(Claim::Fresh);
    }
    let sql = "SELECT fingerprint, response FROM unit_of_work_idempotency \
               WHERE viewer = $1 AND idempotency_key = $2";
    let row = numbered(
        unit.get_database_backend(),
        sql,
        [ticket.viewer.0.as_str().into(), ticket.key.as_str().into()],
    );
    let row = unit.query_one_raw(row).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("idempotency key".to_owned()))?;
    // A committed row always has a response: see `record`.
    let stored: String = row.try_get_by_index(1)?;
    used(&row, &fingerprint, &stored)
}

/// What a key was used for, by its row.
fn used(row: &QueryResult, fingerprint: &str, stored: &str) -> Result<Claim, DbErr> {
    if row.try_get_by_index::<String>(0)? != fingerprint {
        return Ok(Claim::Reused);
    }
    Stored::read(stored).map(Claim::Done)
}

/// In one statement: MariaDB answers with the row as it is afterwards. How many rows were changed says nothing there, since 1 is also the
/// answer for a row that is as it was.
async fn claim_on_mariadb(
    unit: &UnitOfWork,
    fingerprint: &str,
    values: [Value; 5],
) -> Result<Claim, DbErr> {
    // Assignments are made from left to right.
    let sql = "\
        INSERT INTO unit_of_work_idempotency (viewer, idempotency_key, fingerprint, response, expires_at) \
        VALUES ($1, $2, $3, NULL, $4) \
        ON DUPLICATE KEY UPDATE \
            fingerprint = IF(expires_at <= $5, VALUES(fingerprint), fingerprint), \
            response = IF(expires_at <= $5, NULL, response), \
            expires_at = IF(expires_at <= $5, VALUES(expires_at), expires_at) \
        RETURNING fingerprint, response";
    let row = unit
        .query_one_raw(numbered(DbBackend::MySql, sql, values))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("idempotency key".to_owned()))?;
    // A committed row always has a response: see `record`. So one without was inserted, or taken over, by this statement.
    match row.try_get_by_index::<Option<String>>(1)? {
        None => Ok(Claim::Fresh),
        Some(stored) => used(&row, fingerprint, &stored),
    }
}

/// Stores the response under the claimed key, in the same unit.
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
/// key that has expired is free whether it was swept or not. Best with [`IdempotencySettings::now`](crate::IdempotencySettings::now), which
/// does not believe a leap of the machine's clock.
///
/// On PostgreSQL a row without a key says up to which time keys were deleted: from then on a row that is missing proves nothing about a
/// COMMIT whose key had expired by then, and its outcome is unknown instead.
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
/// Those of the database. Batches deleted before the error stay deleted.
///
/// # Cancel safety
/// Cancel safe: the batch under way is rolled back or committed as a whole.
pub async fn sweep(database: &Database, now: SystemTime) -> Result<u64, DbErr> {
    let words = words(database.backend());
    let now = milliseconds(now);
    // A key that is being taken over or swept by another server is left to that.
    let locked = words.skip_locked;
    let is_mariadb = database.backend() == DbBackend::MySql;
    let delete = if is_mariadb {
        // It knows no LIMIT in such a subquery, and waits.
        format!(
            "DELETE FROM unit_of_work_idempotency WHERE expires_at <= $1 AND idempotency_key <> '' LIMIT {BATCH}"
        )
    } else {
        format!(
            "DELETE FROM unit_of_work_idempotency WHERE expires_at <= $1 AND (viewer, idempotency_key) IN \
             (SELECT viewer, idempotency_key FROM unit_of_work_idempotency \
              WHERE expires_at <= $1 AND idempotency_key <> '' LIMIT {BATCH}{locked})"
        )
    };
    let note = if is_mariadb {
        NOTE_SWEPT_ON_MARIADB
    } else {
        NOTE_SWEPT
    };
    let mut swept = 0;
    loop {
        let delete = delete.as_str();
        let batch = database
            .write(async move |unit| {
                let deleted = run(&unit, delete, [now.into()]).await?;
                if deleted > 0 && words.has_markers {
                    run(&unit, note, [now.into()]).await?;
                }
                Ok::<_, DbErr>(deleted)
            })
            .await?;
        swept += batch;
        if batch < BATCH {
            return Ok(swept);
        }
    }
}

/// Writes down up to which time keys were deleted, in a row whose key is empty, as no client's is.
const NOTE_SWEPT: &str = "\
    INSERT INTO unit_of_work_idempotency AS noted (viewer, idempotency_key, fingerprint, response, expires_at) \
    VALUES ('', '', '', NULL, $1) \
    ON CONFLICT (viewer, idempotency_key) DO UPDATE SET expires_at = excluded.expires_at \
    WHERE noted.expires_at < excluded.expires_at";

const NOTE_SWEPT_ON_MARIADB: &str = "\
    INSERT INTO unit_of_work_idempotency (viewer, idempotency_key, fingerprint, response, expires_at) \
    VALUES ('', '', '', NULL, $1) \
    ON DUPLICATE KEY UPDATE expires_at = GREATEST(expires_at, VALUES(expires_at))";

/// When the last key expires, if there is one.
pub(super) async fn last_expiry(database: &Database) -> Result<Option<SystemTime>, DbErr> {
    let sql = "SELECT expires_at FROM unit_of_work_idempotency WHERE idempotency_key <> '' \
               ORDER BY expires_at DESC LIMIT 1";
    let question = Statement::from_string(database.backend(), sql);
    let row = database
        .read(async |unit| unit.query_one_raw(question).await)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let expiry: i64 = row.try_get_by_index(0)?;
    let since = Duration::from_millis(u64::try_from(expiry).unwrap_or(0));
    Ok(UNIX_EPOCH.checked_add(since))
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
    let statement = numbered(unit.get_database_backend(), sql, values);
    Ok(unit.execute_raw(statement).await?.rows_affected())
}
