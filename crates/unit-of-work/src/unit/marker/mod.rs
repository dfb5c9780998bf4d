//! Markers: rows that prove a COMMIT whose answer was lost.
//!
//! If the connection is lost during COMMIT, it is not known whether it happened. PostgreSQL cannot be asked by the transaction's id: ids
//! are not durable before their WAL is, so after a crash or a failover, another transaction can get the id of a lost one. A row that the
//! transaction itself has written is proof: on whichever server is the primary now, it is there or not.
//!
//! | the operation | is proved by |
//! |---|---|
//! | has an idempotency key that is kept for an hour or longer | the key's row |
//! | has named a row that it has inserted ([`UnitOfWork::evidence`](crate::UnitOfWork::evidence)) | that row |
//! | neither, or it has [`SessionSettings`](crate::SessionSettings) | a marker: a row with a random id in the table `unit_of_work_marker`, inserted in the round trip of COMMIT |
//! | neither, and there is no such table | nothing: a lost COMMIT is `OUTCOME_UNKNOWN` |
//!
//! The table belongs to the application, in the database of its data. Create it with `marker::Migration` (feature `migration`) in its
//! `Migrator`, or with [`create_table`] for other tools. [`sweep`] deletes markers that nobody will ask for any more. Every writer must be
//! allowed to insert into the table and to read it, also under a `role` from an operation's settings.
//!
//! SQLite needs no markers, and writes none: COMMIT is answered by a thread of the same process, so the answer cannot get lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use uuid::Uuid;

use crate::{
    Database,
    database::engine::words::{Words, numbered, uuid_literal, words},
};

#[cfg(feature = "migration")]
mod migration;

#[cfg(feature = "migration")]
pub use migration::Migration;

/// How many rows one statement of a sweep deletes.
const BATCH: u64 = 1000;

/// How long a marker is kept: much longer than [`ASKED_WITHIN`] plus any difference between the clocks of servers.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after a COMMIT its outcome can be asked for, at most. A row that proves it must exist for longer.
pub(crate) const ASKED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// The id of the rows that say up to which time markers were deleted. It is the smallest there is, and no marker's.
const SWEPT: Uuid = Uuid::nil();

/// The statement that creates the table. Times are milliseconds since 1970, by the application's clock.
///
/// The statement never changes, since migrations that have run must not change.
///
/// ```
/// use sea_orm::DbBackend;
///
/// let sql = unit_of_work::marker::create_table(DbBackend::Postgres);
/// assert!(sql.starts_with("CREATE TABLE unit_of_work_marker"));
/// ```
#[must_use]
pub fn create_table(engine: DbBackend) -> String {
    let Words {
        uuid,
        bigint,
        table_options,
        ..
    } = words(engine);
    // The time comes first, so that one index serves inserts, look-ups and sweeps.
    format!(
        "CREATE TABLE unit_of_work_marker (
            created_at {bigint} NOT NULL,
            id         {uuid} NOT NULL,
            CONSTRAINT unit_of_work_marker_pkey PRIMARY KEY (created_at, id)
        ){table_options};"
    )
}

/// The statement that drops the table.
///
/// ```
/// let sql = unit_of_work::marker::drop_table();
/// assert_eq!(sql, "DROP TABLE unit_of_work_marker;");
/// ```
#[must_use]
pub fn drop_table() -> &'static str {
    "DROP TABLE unit_of_work_marker;"
}

/// Deletes the markers that are older than a day at `now`, in batches, and returns how many. Nobody asks for a marker that is older than an
/// hour. Run it from time to time.
///
/// A clock that is wrong at `now` makes no lie of it: a row whose id is zero says up to which time markers were deleted. Of a COMMIT
/// from before that, a marker that is missing proves nothing, and the outcome is unknown.
///
/// On SQLite there are none, and the database is not touched.
///
/// # Errors
/// Those of the database. Batches deleted before the error stay deleted.
///
/// # Cancel safety
/// Cancel safe: the batch under way is rolled back or committed as a whole.
///
/// ```no_run
/// # async fn example(database: &unit_of_work::Database) -> Result<(), sea_orm::DbErr> {
/// use std::time::SystemTime;
/// use unit_of_work::marker;
///
/// let swept = marker::sweep(database, SystemTime::now()).await?;
/// tracing::debug!(swept, "markers that nobody asks for any more are gone");
/// # Ok(()) }
/// ```
pub async fn sweep(database: &Database, now: SystemTime) -> Result<u64, DbErr> {
    let backend = database.backend();
    let Words {
        has_markers,
        skip_locked,
        ..
    } = words(backend);
    if !has_markers {
        return Ok(0);
    }
    let old = milliseconds(now.checked_sub(KEPT_FOR).unwrap_or(UNIX_EPOCH));
    let zero = uuid_literal(backend, SWEPT);
    // A marker that another server is sweeping is left to that. MariaDB knows no LIMIT in such a subquery, and waits.
    let delete = match backend {
        DbBackend::MySql => format!(
            "DELETE FROM unit_of_work_marker WHERE created_at < $1 AND id <> {zero} ORDER BY created_at, id LIMIT {BATCH}"
        ),
        _ => format!(
            "DELETE FROM unit_of_work_marker WHERE (created_at, id) IN \
             (SELECT created_at, id FROM unit_of_work_marker \
              WHERE created_at < $1 AND id <> {zero} LIMIT {BATCH}{skip_locked})"
        ),
    };
    let earlier = format!("DELETE FROM unit_of_work_marker WHERE created_at < $1 AND id = {zero}");
    let insert = format!("INSERT INTO unit_of_work_marker (created_at, id) VALUES ($1, {zero})");
    let notes = match backend {
        DbBackend::MySql => vec![earlier, format!("{insert} ON DUPLICATE KEY UPDATE id = id")],
        _ => vec![format!(
            "WITH earlier AS ({earlier}) {insert} ON CONFLICT DO NOTHING"
        )],
    };
    let statement = |sql: &str| numbered(backend, sql, [old.into()]);
    let mut swept = 0;
    loop {
        let delete = statement(&delete);
        let notes: Vec<_> = notes.iter().map(|note| statement(note)).collect();
        let batch = database
            .write(async |unit| {
                let deleted = unit.execute_raw(delete).await?.rows_affected();
                if deleted > 0 {
                    for note in notes {
                        unit.execute_raw(note).await?;
                    }
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

/// The row that one COMMIT inserts.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    /// The table with its schema.
    table: String,
    created_at: i64,
    id: Uuid,
}

impl Marker {
    pub(crate) fn new(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            created_at: milliseconds(SystemTime::now()),
            id: Uuid::new_v4(),
        }
    }

    /// The INSERT that is sent before COMMIT in one round trip. If it fails, the COMMIT after it is ignored.
    pub(crate) fn insert(&self, engine: DbBackend) -> String {
        let Self {
            table,
            created_at,
            id,
        } = self;
        let id = uuid_literal(engine, *id);
        format!("INSERT INTO {table} (created_at, id) VALUES ({created_at}, {id})")
    }

    /// Has a row that is true if the COMMIT happened; one that is false if markers as old as this one were deleted; else none.
    pub(crate) fn question(&self, engine: DbBackend) -> Statement {
        let sql = format!(
            "SELECT id = $2 FROM {table} WHERE created_at = $1 AND id = $2 \
             UNION ALL SELECT false FROM {table} WHERE created_at > $1 AND id = {zero}",
            table = self.table,
            zero = uuid_literal(engine, SWEPT)
        );
        numbered(engine, &sql, [self.created_at.into(), self.id.into()])
    }
}

/// Says that there are no markers.
#[cfg(any(feature = "mariadb", feature = "postgres"))]
pub(crate) fn warn() {
    tracing::warn!(
        "there is no table unit_of_work_marker that this user may read and insert into: of a COMMIT whose answer is lost clients are told \
         OUTCOME_UNKNOWN, except where a row that it inserted was named as evidence (unit_of_work::marker has the migration)"
    );
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
