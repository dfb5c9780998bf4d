//! The history of groups and of what is in them.

use super::find::named_tree;
use crate::ledger::keyset::{Key, Keyset};
use crate::ledger::{AccountRef, Page, PageError, PageRequest, find};
use daybook_entity::group_change;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Select};

/// Which changes; what is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct GroupChangeFilter {
    /// Of this tree, by its path.
    pub tree: Option<String>,
    /// Of the groups that this account is in by hand.
    pub account: Option<AccountRef>,
}

/// A page of changes, newest first: one statement, one more for the tree and for the account, and one more with a cursor.
///
/// # Errors
/// When the arguments break a rule, when there is no such tree or account, or when the database fails.
pub async fn page_group_changes(
    db: &impl ConnectionTrait,
    filter: &GroupChangeFilter,
    request: &PageRequest,
) -> Result<Page<group_change::Model>, PageError> {
    let keyset = Keyset::<group_change::Entity> {
        tag: 32,
        column: group_change::Column::Number,
        id: group_change::Column::GroupId,
        descending: true,
        position: |row, _| (Key::Version(row.number), row.group_id),
    };
    keyset.page(db, select(db, filter).await?, request).await
}

/// How many changes the filter lets through: one statement, and one more for the tree and for the account.
///
/// # Errors
/// As [`page_group_changes`].
pub async fn count_group_changes(
    db: &impl ConnectionTrait,
    filter: &GroupChangeFilter,
) -> Result<u64, PageError> {
    Ok(select(db, filter).await?.count(db).await?)
}

async fn select(
    db: &impl ConnectionTrait,
    filter: &GroupChangeFilter,
) -> Result<Select<group_change::Entity>, PageError> {
    let mut select = group_change::Entity::find();
    if let Some(tree) = &filter.tree {
        let tree = named_tree(db, "tree", tree).await?;
        select = select.filter(group_change::Column::TreeId.eq(tree.id));
    }
    if let Some(by) = &filter.account {
        let account = find::named_account(db, "account", by).await?;
        select = select.filter(group_change::Column::AccountId.eq(account.id));
    }
    Ok(select)
}
