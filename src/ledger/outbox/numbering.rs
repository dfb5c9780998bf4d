//! The numbers of events on MariaDB, which they get after their transaction has committed.
//!
//! Triggers write events to `outbox_unnumbered`. [`number_events`] moves those that are committed to `outbox`, and the migration
//! `m20261129_01_create_outbox` says why nothing is lost, numbered twice, or visible out of order. Other engines number events when they
//! are written.

use crate::ledger::{dialect, locking};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};

/// How many events one call of [`number_events`] numbers at most.
pub const NUMBERED_AT_ONCE: usize = 1000;

/// Events without a number, with the numbers that they would get now.
pub(in crate::ledger) const NEXT_NUMBERS: &str =
    "SELECT (SELECT COALESCE(MAX(seq), 0) FROM outbox) + ROW_NUMBER() OVER (ORDER BY id) AS seq,
    entry_id, account_id, revision, id AS unnumbered_id FROM outbox_unnumbered";

/// Gives the next numbers to events that have none, in the order in which they happened: at most four statements. Returns how many:
/// if fewer than [`NUMBERED_AT_ONCE`], there are no more of them. On another engine than MariaDB, every event has a number.
///
/// Only events are numbered that this transaction can see. Nobody else numbers any until it ends.
///
/// # Errors
/// When the database fails, and [`FailureKind::Conflict`](unit_of_work::FailureKind::Conflict) if somebody else has numbered events since the
/// snapshot of this transaction. It must then be rolled back.
pub async fn number_events(db: &impl ConnectionTrait) -> Result<usize, DbErr> {
    let engine = db.get_database_backend();
    if engine != DbBackend::MySql {
        return Ok(0);
    }
    locking::whole(db, "outbox", "EXCLUSIVE").await?;
    // A plain read: it waits for no transaction, and shows no event without those that came before it on the same account.
    let find = format!("SELECT id FROM outbox_unnumbered ORDER BY id LIMIT {NUMBERED_AT_ONCE}");
    let found = db.query_all_raw(dialect::plain(engine, find)).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let id = |row: &QueryResult| row.try_get::<i64>("", "id").map(|id| id.to_string());
    let ids = found.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    let ids = ids.join(", ");
    for sql in [
        format!(
            "INSERT INTO outbox (seq, entry_id, account_id, revision, unnumbered_id) {NEXT_NUMBERS} WHERE id IN ({ids})"
        ),
        format!("DELETE FROM outbox_unnumbered WHERE id IN ({ids})"),
    ] {
        let moved = db.execute_raw(dialect::plain(engine, sql)).await?;
        if usize::try_from(moved.rows_affected()) != Ok(found.len()) {
            let problem =
                "events that are being numbered were numbered by somebody without the lock";
            return Err(DbErr::Custom(problem.to_owned()));
        }
    }
    Ok(found.len())
}

/// Gives all events their numbers that have none, as far as this transaction can see them. See [`number_events`].
///
/// # Errors
/// As [`number_events`].
pub(in crate::ledger) async fn number_all_events(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    while number_events(db).await? == NUMBERED_AT_ONCE {}
    Ok(())
}

/// Whether there are events without a number: one statement on MariaDB, none on another engine.
///
/// # Errors
/// When the database fails.
pub async fn has_unnumbered_events(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let engine = db.get_database_backend();
    if engine != DbBackend::MySql {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM outbox_unnumbered LIMIT 1";
    let found = db.query_one_raw(dialect::plain(engine, sql)).await?;
    Ok(found.is_some())
}

/// A statement over the table `outbox`, for all events: on MariaDB, also for those that have no number yet.
pub(in crate::ledger) fn of_every_event(engine: DbBackend, sql: &str) -> String {
    if engine != DbBackend::MySql {
        return sql.to_owned();
    }
    // LIMIT keeps conditions from being moved into it, which MariaDB 10.11 does wrongly with a subquery that refers to a column of it.
    let events = format!(
        "(SELECT seq, entry_id, account_id, revision, unnumbered_id FROM outbox UNION ALL {NEXT_NUMBERS} LIMIT 9223372036854775807) AS outbox"
    );
    ["FROM", "JOIN"].iter().fold(sql.to_owned(), |sql, word| {
        sql.replace(&format!("{word} outbox "), &format!("{word} {events} "))
    })
}
