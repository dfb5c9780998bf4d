//! The whole ledger, in the order in which entries were posted. Posted again in this order, every entry is possible.

use super::{find, outbox::NEXT_NUMBERS, part};
use crate::ledger::dialect;
use daybook_entity::{account, currency, entry, entry_line, line_part};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QueryResult, QuerySelect, QueryTrait,
};
use uuid::Uuid;

/// An entry with its lines, and its place in the order of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedEntry {
    /// Its number in the outbox, from which the next page goes on.
    pub seq: i64,
    /// The entry.
    pub entry: entry::Model,
    /// Its lines, in order.
    pub lines: Vec<entry_line::Model>,
    /// If it undoes or ends another entry in part: what it takes and leaves of that entry's lines.
    pub takes: Vec<line_part::Model>,
}

/// At most `limit` entries after the number `after`: two statements, a third if there are parts, and one more on MariaDB. Entries that touch a common account come in the order in which
/// they were posted, so that posting them again meets no limit of an account that was not met before.
///
/// # Errors
/// When the database fails.
pub async fn replay(
    db: &impl ConnectionTrait,
    after: i64,
    limit: u64,
) -> Result<Vec<ReplayedEntry>, DbErr> {
    let engine = db.get_database_backend();
    let mut entries = entries_of("outbox", db, after, limit).await?;
    let found = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    if engine == DbBackend::MySql && found < limit {
        // The last ones may have no number yet.
        let last = entries.last().map_or(after, |(seq, _)| *seq);
        let unnumbered = format!("({NEXT_NUMBERS}) AS outbox");
        entries.extend(entries_of(&unnumbered, db, last, limit - found).await?);
    }
    let ids: Vec<Uuid> = entries.iter().map(|(_, entry)| entry.id).collect();
    let mut lines = find::lines_by_entry_id(db, ids).await?;
    let parts = entries.iter().filter(|(_, entry)| entry.part.is_some());
    let mut takes = part::line_parts_of(db, parts.map(|(_, entry)| entry.id).collect()).await?;
    let entries = entries.into_iter().map(|(seq, entry)| ReplayedEntry {
        seq,
        lines: lines.remove(&entry.id).unwrap_or_default(),
        takes: takes.remove(&entry.id).unwrap_or_default(),
        entry,
    });
    Ok(entries.collect())
}

/// The entries of these events, with the events' numbers, after a number.
async fn entries_of(
    events: &str,
    db: &impl ConnectionTrait,
    after: i64,
    limit: u64,
) -> Result<Vec<(i64, entry::Model)>, DbErr> {
    let statement = dialect::statement(
        db.get_database_backend(),
        format!(
            "SELECT outbox.seq, entry.* FROM {events} JOIN entry ON entry.id = outbox.entry_id
             WHERE outbox.seq > $1 AND outbox.revision IS NULL ORDER BY outbox.seq LIMIT $2"
        ),
        [
            after.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    );
    let rows = db.query_all_raw(statement).await?;
    let entry = |row: &QueryResult| {
        Ok((
            row.try_get("", "seq")?,
            entry::Model::from_query_result(row, "")?,
        ))
    };
    rows.iter().map(entry).collect()
}

/// The currencies that accounts have, by code.
///
/// # Errors
/// When the database fails.
pub async fn used_currencies(db: &impl ConnectionTrait) -> Result<Vec<currency::Model>, DbErr> {
    let used = account::Entity::find()
        .select_only()
        .column(account::Column::Currency)
        .into_query();
    currency::Entity::find()
        .filter(currency::Column::Code.in_subquery(used))
        .order_by_asc(currency::Column::Code)
        .all(db)
        .await
}
