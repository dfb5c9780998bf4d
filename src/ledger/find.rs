//! Reads by key, and by sets of keys for those who gather them (one statement per set).
//!
//! Absence is `Ok(None)`, or a key that the map does not have.

use super::{Id, PageError, Visible, input, ledgers::first_part, statement_cache::StatementCache};
use crate::ledger::dialect;
use chrono::{DateTime, Utc};
use daybook_entity::{account, currency as currencies_table, entry as entries_table, entry_line};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IdenStatic, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Value,
};
use std::collections::HashMap;
use std::fmt;
use uuid::Uuid;

/// How a caller names an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccountRef {
    /// By its id.
    Id(Uuid),
    /// By its code.
    Code(String),
    /// By a text that was given as an id, and that no account can have as one.
    NoId(String),
}

impl AccountRef {
    /// The reference as it can be looked up: a code trimmed, as codes are when they are stored; `None` when no account can have it.
    pub(crate) fn normalised(&self) -> Option<Self> {
        match self {
            Self::Id(id) => Some(Self::Id(*id)),
            Self::Code(code) => input::account_code("code", code).ok().map(Self::Code),
            Self::NoId(_) => None,
        }
    }

    /// The ids and the codes by which these can be looked up.
    pub(crate) fn ids_and_codes(accounts: &[Self]) -> (Vec<Uuid>, Vec<String>) {
        let (mut ids, mut codes) = (Vec::new(), Vec::new());
        for account in accounts.iter().filter_map(Self::normalised) {
            match account {
                Self::Id(id) => ids.push(id),
                Self::Code(code) => codes.push(code),
                Self::NoId(_) => {}
            }
        }
        (ids, codes)
    }
}

impl fmt::Display for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => Id::Account(*id).fmt(f),
            Self::Code(text) | Self::NoId(text) => f.write_str(text),
        }
    }
}

/// The account that `by` names.
///
/// # Errors
/// When the database fails.
pub async fn account(
    db: &impl ConnectionTrait,
    by: &AccountRef,
) -> Result<Option<account::Model>, DbErr> {
    let mut found = match by.normalised() {
        Some(AccountRef::Id(id)) => accounts_where(db, account::Column::Id, vec![id]).await?,
        Some(AccountRef::Code(code)) => {
            accounts_where(db, account::Column::Code, vec![code]).await?
        }
        Some(AccountRef::NoId(_)) | None => return Ok(None),
    };
    Ok(found.pop())
}

/// An input names an account that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no account `{account}`: check its id or code, or open it first")]
pub struct AccountNotFound {
    /// Where in the input, as the caller wrote it.
    pub field: String,
    /// As the caller named it.
    pub account: AccountRef,
}

/// The account that `field` of an input names.
///
/// # Errors
/// When there is none, or the database fails.
pub(super) async fn named_account(
    db: &impl ConnectionTrait,
    field: &str,
    by: &AccountRef,
) -> Result<account::Model, PageError> {
    let found = account(db, by).await?;
    found.ok_or_else(|| {
        let refusal = AccountNotFound {
            field: field.to_owned(),
            account: by.clone(),
        };
        refusal.into()
    })
}

/// The first of these accounts that there is not, or that is in none of the visible ledgers, as the `field[index]` of an input: at most two
/// statements.
///
/// # Errors
/// When the database fails.
pub async fn unknown_account(
    db: &impl ConnectionTrait,
    field: &str,
    accounts: &[AccountRef],
    visible: Option<&Visible>,
) -> Result<Option<AccountNotFound>, DbErr> {
    let (ids, codes) = AccountRef::ids_and_codes(accounts);
    let by_id = accounts_by_id(db, ids).await?;
    let by_code = accounts_by_code(db, codes).await?;
    let is_known = |account: &AccountRef| {
        let found = match account.normalised() {
            Some(AccountRef::Id(id)) => by_id.get(&id),
            Some(AccountRef::Code(code)) => by_code.get(&code),
            Some(AccountRef::NoId(_)) | None => None,
        };
        let is_visible = |account: &account::Model| {
            visible.is_none_or(|visible| visible.contains(account.ledger.as_deref()))
        };
        found.is_some_and(is_visible)
    };
    let unknown = accounts.iter().position(|account| !is_known(account));
    Ok(unknown.map(|index| AccountNotFound {
        field: format!("{field}[{index}]"),
        account: accounts[index].clone(),
    }))
}

/// The accounts with these ids.
///
/// # Errors
/// When the database fails.
pub async fn accounts_by_id(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, account::Model>, DbErr> {
    let ids = ids.into_iter().collect();
    let rows = accounts_where(db, account::Column::Id, ids).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The accounts with these codes, as they are stored: trimmed, and in the form NFC.
///
/// # Errors
/// When the database fails.
pub async fn accounts_by_code(
    db: &impl ConnectionTrait,
    codes: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, account::Model>, DbErr> {
    let codes = codes.into_iter().collect();
    let rows = accounts_where(db, account::Column::Code, codes).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.code.clone(), row))
        .collect())
}

/// The most values of a list whose statement is kept.
const SHORT: usize = 64;

/// The accounts with one of these values in a unique column. Clients read nothing more often.
async fn accounts_where<V: Clone + Into<Value>>(
    db: &impl ConnectionTrait,
    column: account::Column,
    mut values: Vec<V>,
) -> Result<Vec<account::Model>, DbErr> {
    static STATEMENTS: StatementCache<(&str, usize)> = StatementCache::new();
    let Some(last) = values.last().cloned() else {
        return Ok(Vec::new());
    };
    // Short lists are padded to one of a few lengths, so that few statements have to be prepared.
    let is_short = values.len() <= SHORT;
    if is_short {
        values.resize(values.len().next_power_of_two(), last);
    }
    let engine = db.get_database_backend();
    let shape = (column.as_str(), values.len());
    let values: Vec<Value> = values.into_iter().map(Into::into).collect();
    // Without a LIMIT: the column is unique.
    let write = || {
        let condition = match values.as_slice() {
            [only] => column.eq(only.clone()),
            all => column.is_in(all.iter().cloned()),
        };
        account::Entity::find().filter(condition).build(engine)
    };
    let statement = match is_short {
        true => STATEMENTS.statement(engine, shape, values.iter().cloned(), write),
        false => write(),
    };
    account::Model::find_by_statement(statement).all(db).await
}

/// The entry with this id.
///
/// # Errors
/// When the database fails.
pub async fn entry(
    db: &impl ConnectionTrait,
    id: Uuid,
) -> Result<Option<entries_table::Model>, DbErr> {
    entries_table::Entity::find_by_id(id).one(db).await
}

/// The entries with these ids.
///
/// # Errors
/// When the database fails.
pub async fn entries_by_id(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, entries_table::Model>, DbErr> {
    let rows = entries_table::Entity::find()
        .filter(entries_table::Column::Id.is_in(ids))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The entry of this ledger with this reference, as it is stored.
///
/// # Errors
/// When the database fails.
pub(super) async fn entry_by_reference(
    db: &impl ConnectionTrait,
    reference: &str,
    ledger: Option<&str>,
) -> Result<Option<entries_table::Model>, DbErr> {
    // One at most for each ledger.
    let found = entries_table::Entity::find()
        .filter(entries_table::Column::Reference.eq(reference))
        .all(db)
        .await?;
    let mut found = found.into_iter();
    Ok(found.find(|it| it.ledger.as_deref() == ledger))
}

/// The reference as it can be looked up: trimmed, and in the form NFC, as it is stored; `None` when no entry can have it.
#[must_use]
pub fn stored_reference(text: &str) -> Option<String> {
    input::reference("reference", text).ok()
}

/// The entries with these references, [as they are stored](stored_reference), by reference: at most one of each ledger.
///
/// # Errors
/// When the database fails.
pub async fn entries_by_reference(
    db: &impl ConnectionTrait,
    references: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, Vec<entries_table::Model>>, DbErr> {
    let rows = entries_table::Entity::find()
        .filter(entries_table::Column::Reference.is_in(references))
        .all(db)
        .await?;
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        if let Some(reference) = row.reference.clone() {
            found.entry(reference).or_default().push(row);
        }
    }
    Ok(found)
}

/// When the latest entry was recorded; `None` where there is none.
///
/// # Errors
/// When the database fails.
pub async fn latest_recorded_at(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    let latest = entries_table::Entity::find()
        .order_by_desc(entries_table::Column::RecordedAt)
        .limit(1)
        .one(db)
        .await?;
    Ok(latest.map(|entry| entry.recorded_at))
}

/// The lines of these entries, each entry's in order.
///
/// # Errors
/// When the database fails.
pub async fn lines_by_entry_id(
    db: &impl ConnectionTrait,
    entry_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<entry_line::Model>>, DbErr> {
    let rows = entry_line::Entity::find()
        .filter(entry_line::Column::EntryId.is_in(entry_ids))
        .order_by_asc(entry_line::Column::EntryId)
        .order_by_asc(entry_line::Column::LineNo)
        .all(db)
        .await?;
    let mut lines: HashMap<Uuid, Vec<entry_line::Model>> = HashMap::new();
    for row in rows {
        lines.entry(row.entry_id).or_default().push(row);
    }
    Ok(lines)
}

/// The entries that have ended these holds, by the hold's id: those that have left nothing of them.
///
/// # Errors
/// When the database fails.
pub async fn resolvers_by_hold_id(
    db: &impl ConnectionTrait,
    hold_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, entries_table::Model>, DbErr> {
    let rows = entries_table::Entity::find()
        .filter(entries_table::Column::ResolvesId.is_in(hold_ids))
        .filter(entries_table::Column::LeavesRest.eq(false))
        .all(db)
        .await?;
    let keyed = rows
        .into_iter()
        .filter_map(|row| Some((row.resolves_id?, row)));
    Ok(keyed.collect())
}

/// The entries that have undone these, by the undone entry's id: those that have left nothing of them.
///
/// # Errors
/// When the database fails.
pub async fn reversals_by_entry_id(
    db: &impl ConnectionTrait,
    entry_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, entries_table::Model>, DbErr> {
    let rows = entries_table::Entity::find()
        .filter(entries_table::Column::ReversesId.is_in(entry_ids))
        .filter(entries_table::Column::LeavesRest.eq(false))
        .all(db)
        .await?;
    let keyed = rows
        .into_iter()
        .filter_map(|row| Some((row.reverses_id?, row)));
    Ok(keyed.collect())
}

/// The currency with this code.
///
/// # Errors
/// When the database fails.
pub async fn currency(
    db: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<currencies_table::Model>, DbErr> {
    if !input::is_currency_code(code) {
        return Ok(None);
    }
    currencies_table::Entity::find_by_id(code).one(db).await
}

/// The currency with this code, and the ledger that an account with that code is in: one statement.
pub(super) async fn currency_and_ledger(
    db: &impl ConnectionTrait,
    currency: &str,
    account_code: &str,
) -> Result<Option<(currencies_table::Model, Option<String>)>, DbErr> {
    if !input::is_currency_code(currency) {
        return Ok(None);
    }
    let found = dialect::statement(
        db.get_database_backend(),
        "SELECT currency.*, (SELECT ledger.code FROM ledger WHERE ledger.code = $1) AS ledger FROM currency WHERE currency.code = $2",
        [first_part(account_code).into(), currency.into()],
    );
    let Some(row) = db.query_one_raw(found).await? else {
        return Ok(None);
    };
    let currency = currencies_table::Model::from_query_result(&row, "")?;
    Ok(Some((currency, row.try_get("", "ledger")?)))
}

/// All currencies, by code.
///
/// # Errors
/// When the database fails.
pub async fn currencies(db: &impl ConnectionTrait) -> Result<Vec<currencies_table::Model>, DbErr> {
    currencies_table::Entity::find()
        .order_by_asc(currencies_table::Column::Code)
        .all(db)
        .await
}
