//! Pages of entries.

use super::entry_filter::{EntryFilter, select, selected};
use super::keyset::{Key, Keyset};
use super::{Page, PageError, PageRequest};
use daybook_entity::entry;
use sea_orm::{ConnectionTrait, PaginatorTrait, QueryTrait as _, Statement};

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryOrder {
    /// By what.
    pub field: EntryOrderField,
    /// From the last to the first.
    pub descending: bool,
}

/// What entries can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryOrderField {
    /// When the ledger learned of them.
    #[default]
    RecordedAt,
    /// When they count from.
    EffectiveAt,
}

/// A page of entries: one statement, two with a cursor, and one or two before it if an index has to say where to begin. On MariaDB, one more for each
/// condition that few entries fulfil.
///
/// # Errors
/// When the arguments break a rule or the database fails.
pub async fn page_entries(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
    order: EntryOrder,
    request: &PageRequest,
) -> Result<Page<entry::Model>, PageError> {
    let select = select(db, filter).await?;
    keyset(order).page(db, select, request).await
}

fn keyset(order: EntryOrder) -> Keyset<entry::Entity> {
    let (tag, column) = match order.field {
        EntryOrderField::RecordedAt => (3, entry::Column::RecordedAt),
        EntryOrderField::EffectiveAt => (4, entry::Column::EffectiveAt),
    };
    Keyset {
        tag,
        column,
        id: entry::Column::Id,
        descending: order.descending,
        position: |row, column| match column {
            entry::Column::EffectiveAt => (Key::Instant(row.effective_at), row.id),
            _ => (Key::Instant(row.recorded_at), row.id),
        },
    }
}

/// How many entries there are: reads all of them, so call it only when asked for.
///
/// # Errors
/// When the filter breaks a rule or the database fails.
pub async fn count_entries(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
) -> Result<u64, PageError> {
    Ok(select(db, filter).await?.count(db).await?)
}

/// The statements that the first page of 20 entries sends, for tests of their plans; those that count are sent.
///
/// # Errors
/// When the filter breaks a rule or the database fails.
pub async fn page_entries_statements(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
    order: EntryOrder,
) -> Result<Vec<Statement>, PageError> {
    let mut notes = Some(Vec::new());
    let select = selected(db, filter, &mut notes).await?;
    let page = keyset(order)
        .first(select, 20)
        .build(db.get_database_backend());
    let mut statements = notes.unwrap_or_default();
    statements.push(page);
    Ok(statements)
}
