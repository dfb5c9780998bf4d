//! Pages of accounts.

use super::entry_filter::{AmountRange, check_pairs, pair};
use super::group::place::{in_group, ungrouped};
use super::group::{named_group, named_tree};
use super::keyset::{Key, Keyset};
use super::sql::Sql;
use super::{GroupRef, InvalidInput, Page, PageError, PageRequest, input};
use daybook_entity::{AccountClass, AccountStatus, account};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, Statement,
};

/// Which accounts; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Of this currency.
    pub currency: Option<String>,
    /// With this status.
    pub status: Option<AccountStatus>,
    /// Of this class.
    pub class: Option<AccountClass>,
    /// Whose code begins with this, character by character.
    pub code_prefix: Option<String>,
    /// With each of these pairs of a key at the top of the metadata and its value: a text, or a whole number, true or false as a text.
    pub metadata: Vec<(String, String)>,
    /// With such a posted balance, positive on the normal side.
    pub balance: Option<AmountRange>,
    /// In this group.
    pub group: Option<InGroup>,
    /// In no group of this tree, by its path.
    pub ungrouped_in: Option<String>,
}

/// A group, with or without those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InGroup {
    /// The group.
    pub group: GroupRef,
    /// Whether the accounts of the groups below it count.
    pub subgroups: bool,
}

impl AccountFilter {
    /// Whether it may let few accounts through, of many.
    pub(super) fn is_narrow(&self) -> bool {
        let prefix = self.code_prefix.as_ref();
        prefix.is_some_and(|prefix| !prefix.is_empty())
            || !self.metadata.is_empty()
            || self.group.is_some()
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountOrder {
    /// By what.
    pub field: AccountOrderField,
    /// From the last to the first.
    pub descending: bool,
}

/// What accounts can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountOrderField {
    /// Their code, byte by byte.
    #[default]
    Code,
    /// When they were opened.
    CreatedAt,
}

/// A page of accounts: one statement, two with a cursor, and one more for each group or tree that the filter names.
///
/// # Errors
/// When the arguments break a rule or the database fails.
pub async fn page_accounts(
    db: &impl ConnectionTrait,
    filter: &AccountFilter,
    order: AccountOrder,
    request: &PageRequest,
) -> Result<Page<account::Model>, PageError> {
    let (tag, column) = match order.field {
        AccountOrderField::Code => (1, account::Column::Code),
        AccountOrderField::CreatedAt => (2, account::Column::CreatedAt),
    };
    let keyset = Keyset::<account::Entity> {
        tag,
        column,
        id: account::Column::Id,
        descending: order.descending,
        position: |row, column| match column {
            account::Column::CreatedAt => (Key::Instant(row.created_at), row.id),
            _ => (Key::Text(row.code.clone()), row.id),
        },
    };
    let select = select(db, filter).await?;
    keyset.page(db, select, request).await
}

/// The statement that reads the first page, by code.
///
/// # Errors
/// As [`page_accounts`].
pub async fn page_accounts_statement(
    db: &impl ConnectionTrait,
    filter: &AccountFilter,
) -> Result<Statement, PageError> {
    let select = select(db, filter).await?;
    let select = select.order_by_asc(account::Column::Code).limit(21);
    Ok(select.build(db.get_database_backend()))
}

/// How many accounts there are: reads all of them, so call it only when asked for.
///
/// # Errors
/// When the filter breaks a rule or the database fails.
pub async fn count_accounts(
    db: &impl ConnectionTrait,
    filter: &AccountFilter,
) -> Result<u64, PageError> {
    Ok(select(db, filter).await?.count(db).await?)
}

/// The accounts of this filter: one statement for each group or tree that it names.
pub(super) async fn select(
    db: &impl ConnectionTrait,
    filter: &AccountFilter,
) -> Result<Select<account::Entity>, PageError> {
    let mut select = described(db.get_database_backend(), filter)?;
    if let Some(InGroup { group, subgroups }) = &filter.group {
        let group = named_group(db, "filter.group", group).await?;
        let engine = db.get_database_backend();
        select = select.filter(in_group(engine, "account.id", &group, *subgroups).expr(engine));
    }
    if let Some(tree) = &filter.ungrouped_in {
        let tree = named_tree(db, "filter.ungroupedIn", tree).await?;
        let engine = db.get_database_backend();
        select = select.filter(ungrouped(engine, &tree).expr(engine));
    }
    Ok(select)
}

/// The accounts of this filter, as far as it is about the accounts themselves.
fn described(
    engine: DbBackend,
    filter: &AccountFilter,
) -> Result<Select<account::Entity>, InvalidInput> {
    let mut select = account::Entity::find();
    if let Some(currency) = &filter.currency {
        if !input::is_currency_code(currency) {
            return Err(InvalidInput::new(
                "filter.currency",
                "is not a currency's code",
            ));
        }
        select = select.filter(account::Column::Currency.eq(currency));
    }
    if let Some(status) = filter.status {
        select = select.filter(account::Column::Status.eq(status));
    }
    if let Some(class) = filter.class {
        select = select.filter(account::Column::Class.eq(class));
    }
    if let Some(prefix) = filter
        .code_prefix
        .as_deref()
        .filter(|prefix| !prefix.is_empty())
    {
        if prefix.chars().any(char::is_control) {
            return Err(InvalidInput::new(
                "filter.codePrefix",
                "has a control character: leave it out",
            ));
        }
        // A range instead of LIKE: it needs no escaping, uses the index on both engines, and minds the case on both.
        select = select.filter(account::Column::Code.gte(prefix));
        if let Some(end) = after_prefix(prefix) {
            select = select.filter(account::Column::Code.lt(end));
        }
    }
    check_pairs(&filter.metadata)?;
    for (index, asked) in filter.metadata.iter().enumerate() {
        let (key, value) = pair(index, asked)?;
        let ids =
            "account.id IN (SELECT account_id FROM account_metadata WHERE key = ? AND value = ?)";
        select = select.filter(Sql::new(ids).bind(key).bind(value).expr(engine));
    }
    if let Some(balance) = &filter.balance {
        let (currency, min, max) = balance.check("filter.balance")?;
        select = select.filter(account::Column::Currency.eq(currency));
        let posted = "CASE normal_side WHEN 'DEBIT' THEN debits_posted - credits_posted ELSE credits_posted - debits_posted END BETWEEN ? AND ?";
        select = select.filter(Sql::new(posted).bind(min).bind(max).expr(engine));
    }
    Ok(select)
}

/// The least text above all that begin with `prefix`; `None` when there is none. UTF-8 sorts as its characters do.
pub(super) fn after_prefix(prefix: &str) -> Option<String> {
    let mut kept: Vec<char> = prefix.chars().collect();
    while let Some(last) = kept.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        assert_eq!(after_prefix("a").as_deref(), Some("b"));
        assert_eq!(after_prefix("a:é").as_deref(), Some("a:ê"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }
}
