//! Reads groups: by key, by sets of keys, and by the page.

use super::{GroupNotFound, GroupRef, path};
use crate::ledger::dialect;
use crate::ledger::keyset::{Key, Keyset};
use crate::ledger::{Page, PageError, PageRequest, locking};
use daybook_entity::account_group;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select, Value,
};
use std::collections::HashMap;
use uuid::Uuid;

/// The groups that `by` names: one, or none.
fn named(by: &GroupRef) -> Option<Select<account_group::Entity>> {
    let groups = account_group::Entity::find();
    match by {
        GroupRef::Id(id) => Some(groups.filter(account_group::Column::Id.eq(*id))),
        GroupRef::Path(text) => {
            let path = path("path", text).ok()?;
            Some(groups.filter(account_group::Column::Path.eq(path)))
        }
        GroupRef::NoId(_) => None,
    }
}

/// The group that `by` names: one statement.
///
/// # Errors
/// When the database fails.
pub async fn account_group(
    db: &impl ConnectionTrait,
    by: &GroupRef,
) -> Result<Option<account_group::Model>, DbErr> {
    match named(by) {
        Some(select) => select.one(db).await,
        None => Ok(None),
    }
}

/// The group that `field` of an input names: one statement.
///
/// # Errors
/// When there is none, or the database fails.
pub(in crate::ledger) async fn named_group(
    db: &impl ConnectionTrait,
    field: &str,
    by: &GroupRef,
) -> Result<account_group::Model, PageError> {
    let found = account_group(db, by).await?;
    found.ok_or_else(|| not_found(field, by).into())
}

pub(super) fn not_found(field: &str, by: &GroupRef) -> GroupNotFound {
    GroupNotFound {
        field: field.to_owned(),
        group: by.clone(),
    }
}

/// Locks the tree of the group that `by` names, and then reads the group: two statements, three on MariaDB. Nobody else changes a group of the tree, or what
/// is in one, until the transaction ends.
pub(super) async fn locked(
    db: &impl ConnectionTrait,
    by: &GroupRef,
) -> Result<Option<account_group::Model>, DbErr> {
    let Some(select) = named(by) else {
        return Ok(None);
    };
    let tree = select
        .clone()
        .select_only()
        .column(account_group::Column::TreeId);
    let trees = account_group::Entity::find();
    let trees = match db.get_database_backend() {
        // With a snapshot, for what is read without a lock, the statement would not wait for a change of the tree, but lose a conflict.
        DbBackend::MySql => {
            let Some(tree) = tree.into_tuple::<Uuid>().one(db).await? else {
                return Ok(None);
            };
            trees.filter(account_group::Column::Id.eq(tree))
        }
        _ => trees.filter(account_group::Column::Id.in_subquery(tree.into_query())),
    };
    // The lock is not that of a foreign key: what refers to the tree meanwhile does not wait.
    let locked = trees.lock(locking::of_update(db)).all(db).await?;
    if locked.is_empty() {
        return Ok(None);
    }
    // Read anew: whoever had the lock before may have changed the group.
    select.one(db).await
}

/// The groups with these ids: one statement.
///
/// # Errors
/// When the database fails.
pub async fn account_groups_by_id(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, account_group::Model>, DbErr> {
    let found = account_group::Entity::find().filter(account_group::Column::Id.is_in(ids));
    let rows = found.all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The groups with these paths: one statement.
///
/// # Errors
/// When the database fails.
pub async fn account_groups_by_path(
    db: &impl ConnectionTrait,
    paths: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, account_group::Model>, DbErr> {
    let found = account_group::Entity::find().filter(account_group::Column::Path.is_in(paths));
    let rows = found.all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.path.clone(), row))
        .collect())
}

/// The groups directly in those with these paths, by path: one statement.
///
/// # Errors
/// When the database fails.
pub async fn children_of_groups(
    db: &impl ConnectionTrait,
    paths: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, Vec<account_group::Model>>, DbErr> {
    let rows = account_group::Entity::find()
        .filter(account_group::Column::ParentPath.is_in(paths))
        .order_by_asc(account_group::Column::Path)
        .all(db)
        .await?;
    let mut children: HashMap<String, Vec<account_group::Model>> = HashMap::new();
    for row in rows {
        let parent = row.parent_path.clone().unwrap_or_default();
        children.entry(parent).or_default().push(row);
    }
    Ok(children)
}

/// The prefixes of codes in each of these groups, in their order: one statement.
///
/// # Errors
/// When the database fails.
pub async fn code_prefixes_of_groups(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let places: Vec<_> = (1..=ids.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT group_id, code_prefix FROM group_prefix WHERE group_id IN ({}) ORDER BY code_prefix",
        places.join(", ")
    );
    let parameters = ids.iter().map(|id| Value::from(*id));
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    let mut prefixes: HashMap<Uuid, Vec<String>> = HashMap::new();
    if ids.is_empty() {
        return Ok(prefixes);
    }
    for row in db.query_all_raw(statement).await? {
        let of_group = prefixes.entry(row.try_get("", "group_id")?).or_default();
        of_group.push(row.try_get("", "code_prefix")?);
    }
    Ok(prefixes)
}

/// All trees, by path: one statement. There are few of them.
///
/// # Errors
/// When the database fails.
pub async fn account_trees(db: &impl ConnectionTrait) -> Result<Vec<account_group::Model>, DbErr> {
    account_group::Entity::find()
        .filter(account_group::Column::ParentPath.is_null())
        .order_by_asc(account_group::Column::Path)
        .all(db)
        .await
}

/// A page of the groups of a tree, or of all trees, by path, the tree itself included: one statement, one more for the tree, and one more
/// with a cursor.
///
/// # Errors
/// When the arguments break a rule, when there is no such tree, or when the database fails.
pub async fn page_account_groups(
    db: &impl ConnectionTrait,
    tree: Option<&str>,
    request: &PageRequest,
) -> Result<Page<account_group::Model>, PageError> {
    let keyset = Keyset::<account_group::Entity> {
        tag: 31,
        column: account_group::Column::Path,
        id: account_group::Column::Id,
        descending: false,
        position: |row, _| (Key::Text(row.path.clone()), row.id),
    };
    keyset.page(db, of_tree(db, tree).await?, request).await
}

/// How many groups a tree has, or all trees: one statement, and one more for the tree.
///
/// # Errors
/// As [`page_account_groups`].
pub async fn count_account_groups(
    db: &impl ConnectionTrait,
    tree: Option<&str>,
) -> Result<u64, PageError> {
    Ok(of_tree(db, tree).await?.count(db).await?)
}

async fn of_tree(
    db: &impl ConnectionTrait,
    tree: Option<&str>,
) -> Result<Select<account_group::Entity>, PageError> {
    let groups = account_group::Entity::find();
    let Some(tree) = tree else {
        return Ok(groups);
    };
    let tree = named_tree(db, "tree", tree).await?;
    Ok(groups.filter(account_group::Column::TreeId.eq(tree.id)))
}

/// The tree that `field` of an input names by its path: one statement.
pub(in crate::ledger) async fn named_tree(
    db: &impl ConnectionTrait,
    field: &str,
    tree: &str,
) -> Result<account_group::Model, PageError> {
    let by = GroupRef::Path(tree.to_owned());
    let found = named_group(db, field, &by).await?;
    if found.parent_path.is_some() {
        return Err(not_found(field, &by).into());
    }
    Ok(found)
}
