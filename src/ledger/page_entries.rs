//! Pages of entries.

use super::keyset::{Key, Keyset};
use super::{AccountRef, Page, PageError, PageRequest, find, input};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, entry, entry_line};
use sea_orm::sea_query::{SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect,
    QueryTrait, Select,
};
use uuid::Uuid;

/// Which entries; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Of this kind.
    pub kind: Option<EntryKind>,
    /// With a line that touches this account.
    pub account: Option<AccountRef>,
    /// Effective at this instant or later.
    pub effective_from: Option<DateTime<Utc>>,
    /// Effective before this instant.
    pub effective_until: Option<DateTime<Utc>>,
}

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

/// A page of entries: one statement, two with a cursor.
///
/// # Errors
/// When the arguments break a rule or the database fails.
pub async fn page_entries(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
    order: EntryOrder,
    request: &PageRequest,
) -> Result<Page<entry::Model>, PageError> {
    let (tag, column) = match order.field {
        EntryOrderField::RecordedAt => (3, entry::Column::RecordedAt),
        EntryOrderField::EffectiveAt => (4, entry::Column::EffectiveAt),
    };
    let keyset = Keyset::<entry::Entity> {
        tag,
        column,
        id: entry::Column::Id,
        descending: order.descending,
        position: |row, column| match column {
            entry::Column::EffectiveAt => (Key::Instant(row.effective_at), row.id),
            _ => (Key::Instant(row.recorded_at), row.id),
        },
    };
    let select = select(db, filter).await?;
    keyset.page(db, select, request).await
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

async fn select(
    db: &impl ConnectionTrait,
    filter: &EntryFilter,
) -> Result<Select<entry::Entity>, PageError> {
    let mut select = entry::Entity::find();
    if let Some(kind) = filter.kind {
        select = select.filter(entry::Column::Kind.eq(kind));
    }
    if let Some(by) = &filter.account {
        let account = find::named_account(db, "filter.account", by).await?;
        select = select.filter(entry::Column::Id.in_subquery(touching(account.id)));
    }
    if let Some(from) = filter.effective_from {
        let from = input::instant("filter.effectiveFrom", from)?;
        select = select.filter(entry::Column::EffectiveAt.gte(from));
    }
    if let Some(until) = filter.effective_until {
        let until = input::instant("filter.effectiveUntil", until)?;
        select = select.filter(entry::Column::EffectiveAt.lt(until));
    }
    Ok(select)
}

/// The ids of the entries that touch an account: one index for each side.
fn touching(account_id: Uuid) -> SelectStatement {
    let side = |column: entry_line::Column| {
        entry_line::Entity::find()
            .select_only()
            .column(entry_line::Column::EntryId)
            .filter(column.eq(account_id))
            .into_query()
    };
    let mut ids = side(entry_line::Column::DebitAccountId);
    ids.union(UnionType::All, side(entry_line::Column::CreditAccountId));
    ids
}
