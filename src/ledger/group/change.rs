//! Creates groups, changes their paths and names, and deletes them.
//!
//! Each verb inserts changes. The database writes them to the groups.

use super::find::{self, not_found};
use super::place::below;
use super::{AccountGroupError, GroupRef, MOST_GROUPS, MOST_TREES, path, tree_of};
use crate::ledger::dialect;
use crate::ledger::{Clock, InvalidInput, Random, input, locking, new_account_id, sql::Sql};
use chrono::{DateTime, Utc};
use daybook_entity::account_group;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};

/// The group to create.
#[derive(Clone, Debug)]
pub struct CreateAccountGroup {
    /// The random part of its id.
    pub random: Random,
    /// 1 to 200 characters that no other group is called by, in parts that colons separate. A path of one part is a new tree; otherwise the
    /// group that the path is in is there.
    pub path: String,
    /// 1 to 200 characters for people.
    pub name: String,
    /// Who does it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// What a group is to become. What is not given stays.
#[derive(Clone, Debug)]
pub struct UpdateAccountGroup {
    /// The group.
    pub group: GroupRef,
    /// The revision that it must still have.
    pub expected_revision: Option<i64>,
    /// Another path in the same tree. The groups below move with it.
    pub path: Option<String>,
    /// 1 to 200 characters for people.
    pub name: Option<String>,
    /// Who does it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// The group to delete.
#[derive(Clone, Debug)]
pub struct DeleteAccountGroup {
    /// The group.
    pub group: GroupRef,
    /// The revision that it must still have.
    pub expected_revision: Option<i64>,
    /// Who does it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Creates a group, or a tree: five statements.
///
/// # Errors
/// When the input breaks a rule, when the group that it is to be in is not there, when another group has the path, when there are too many
/// groups or trees, or when the database fails.
pub async fn create_account_group(
    db: &impl ConnectionTrait,
    command: CreateAccountGroup,
    clock: &Clock,
) -> Result<account_group::Model, AccountGroupError> {
    let path = path("path", &command.path)?;
    let name = input::name("name", &command.name)?;
    let tree_id = match path.rsplit_once(':') {
        Some((parent, _)) => {
            let by = GroupRef::Path(parent.to_owned());
            let parent = find::locked(db, &by).await?;
            Some(parent.ok_or_else(|| not_found("path", &by))?.tree_id)
        }
        None => {
            lock_trees(db).await?;
            None
        }
    };
    refuse_taken(db, &path).await?;
    let groups = account_group::Entity::find();
    let (groups, most, of) = match tree_id {
        Some(tree_id) => {
            let groups = groups.filter(account_group::Column::TreeId.eq(tree_id));
            (groups, MOST_GROUPS, "groups in this tree")
        }
        None => {
            let trees = groups.filter(account_group::Column::ParentPath.is_null());
            (trees, MOST_TREES, "trees")
        }
    };
    if groups.count(db).await? >= most {
        let problem = format!("would be more than {most} {of}: delete what is not needed");
        return Err(InvalidInput::new("path", problem).into());
    }
    let now = input::instant("now", clock.now())?;
    let id = new_account_id(now, command.random);
    let tree_id = tree_id.unwrap_or(id);
    let statement = dialect::statement(
        db.get_database_backend(),
        "INSERT INTO group_change (tree_id, group_id, path_after, name_after, recorded_at, recorded_by)
         VALUES ($1, $2, $3, $4, $5, $6)",
        [
            tree_id.into(),
            id.into(),
            path.clone().into(),
            name.clone().into(),
            now.into(),
            command.recorded_by.into(),
        ],
    );
    db.execute_raw(statement).await?;
    let parent_path = path.rsplit_once(':').map(|(parent, _)| parent.to_owned());
    Ok(account_group::Model {
        id,
        tree_id,
        path,
        parent_path,
        name,
        revision: 1,
    })
}

/// Changes the path and the name of a group, and the paths of those below it: five statements, or two if it is so already, which is no
/// change.
///
/// # Errors
/// When the input breaks a rule, when there is no such group, when it is at another revision, when the path is in another tree, below the
/// group itself or in a group that is not there, when another group has it, or when the database fails.
pub async fn update_account_group(
    db: &impl ConnectionTrait,
    command: UpdateAccountGroup,
    clock: &Clock,
) -> Result<account_group::Model, AccountGroupError> {
    let path = command.path.as_deref();
    let path = path.map(|text| self::path("path", text)).transpose()?;
    let name = command.name.as_deref();
    let name = name.map(|text| input::name("name", text)).transpose()?;
    let group = expected(db, &command.group, command.expected_revision).await?;
    let changed = account_group::Model {
        path: path.unwrap_or_else(|| group.path.clone()),
        name: name.unwrap_or_else(|| group.name.clone()),
        revision: group.revision + 1,
        ..group.clone()
    };
    if (&changed.path, &changed.name) == (&group.path, &group.name) {
        return Ok(group);
    }
    let moves = changed.path != group.path;
    if moves {
        refuse_place(db, &group, &changed.path).await?;
    }
    let now = input::instant("now", clock.now())?;
    match db.get_database_backend() {
        DbBackend::MySql => move_on_mariadb(db, &group, &changed, now, command.recorded_by).await?,
        _ => move_all(db, &group, &changed, now, command.recorded_by).await?,
    }
    let parent = changed.path.rsplit_once(':');
    Ok(account_group::Model {
        parent_path: parent.map(|(parent, _)| parent.to_owned()),
        ..changed
    })
}

/// Inserts the change of a group, and of those below it if its path changes: one statement. Those above first, so that each change is of a
/// group whose parent has moved.
async fn move_all(
    db: &impl ConnectionTrait,
    group: &account_group::Model,
    changed: &account_group::Model,
    now: DateTime<Utc>,
    recorded_by: Option<String>,
) -> Result<(), DbErr> {
    let (from, until) = below(&group.path);
    let statement = dialect::statement(
        db.get_database_backend(),
        "INSERT INTO group_change
             (tree_id, group_id, path_before, path_after, name_before, name_after, recorded_at, recorded_by)
         SELECT tree_id, id, path, $2 || substr(path, length($1) + 1), name, CASE WHEN path = $1 THEN $3 ELSE name END,
                $4, $5
         FROM account_group WHERE tree_id = $6 AND (path = $1 OR $7 = 1 AND path >= $8 AND path < $9)
         ORDER BY path",
        [
            group.path.as_str().into(),
            changed.path.as_str().into(),
            changed.name.as_str().into(),
            now.into(),
            recorded_by.into(),
            group.tree_id.into(),
            i32::from(changed.path != group.path).into(),
            from.into(),
            until.into(),
        ],
    );
    db.execute_raw(statement).await.map(drop)
}

/// As [`move_all`], in two statements: on MariaDB, a table that a statement reads cannot be written by its triggers.
async fn move_on_mariadb(
    db: &impl ConnectionTrait,
    group: &account_group::Model,
    changed: &account_group::Model,
    now: DateTime<Utc>,
    recorded_by: Option<String>,
) -> Result<(), DbErr> {
    let mut moved = vec![group.clone()];
    if changed.path != group.path {
        moved.extend(groups_below(db, group).await?);
    }
    let rows = moved.iter().map(|it| {
        let rest = it.path.strip_prefix(&group.path).unwrap_or_default();
        let is_group = it.id == group.id;
        let name = if is_group { &changed.name } else { &it.name };
        Sql::new("(?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(it.tree_id)
            .bind(it.id)
            .bind(it.path.as_str())
            .bind(format!("{}{rest}", changed.path))
            .bind(it.name.as_str())
            .bind(name.as_str())
            .bind(now)
            .bind(recorded_by.clone())
    });
    let insert = Sql::new(
        "INSERT INTO group_change
             (tree_id, group_id, path_before, path_after, name_before, name_after, recorded_at, recorded_by) VALUES ",
    );
    let insert = insert.and(Sql::join(rows, ", "));
    db.execute_raw(insert.statement(db)).await.map(drop)
}

/// The groups below this one, those above first.
async fn groups_below(
    db: &impl ConnectionTrait,
    group: &account_group::Model,
) -> Result<Vec<account_group::Model>, DbErr> {
    let (from, until) = below(&group.path);
    account_group::Entity::find()
        .filter(account_group::Column::TreeId.eq(group.tree_id))
        .filter(account_group::Column::Path.gte(from))
        .filter(account_group::Column::Path.lt(until))
        .order_by_asc(account_group::Column::Path)
        .all(db)
        .await
}

/// Deletes a group with nothing in it: four statements. Its history stays.
///
/// # Errors
/// When there is no such group, when it is at another revision, when something is in it, or when the database fails.
pub async fn delete_account_group(
    db: &impl ConnectionTrait,
    command: DeleteAccountGroup,
    clock: &Clock,
) -> Result<account_group::Model, AccountGroupError> {
    let group = expected(db, &command.group, command.expected_revision).await?;
    let statement = dialect::statement(
        db.get_database_backend(),
        "SELECT (SELECT COUNT(*) FROM account_group WHERE parent_path = $1) AS group_count,
                (SELECT COUNT(*) FROM group_member WHERE group_id = $2) AS account_count,
                (SELECT COUNT(*) FROM group_prefix WHERE group_id = $2) AS prefix_count",
        [group.path.as_str().into(), group.id.into()],
    );
    let row = db.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a count".to_owned()))?;
    let (groups, accounts, code_prefixes) = (
        row.try_get("", "group_count")?,
        row.try_get("", "account_count")?,
        row.try_get("", "prefix_count")?,
    );
    if (groups, accounts, code_prefixes) != (0, 0, 0) {
        return Err(AccountGroupError::NotEmpty {
            group_id: group.id,
            path: group.path,
            groups,
            accounts,
            code_prefixes,
        });
    }
    let now = input::instant("now", clock.now())?;
    let statement = dialect::statement(
        db.get_database_backend(),
        "INSERT INTO group_change (tree_id, group_id, path_before, name_before, recorded_at, recorded_by)
         VALUES ($1, $2, $3, $4, $5, $6)",
        [
            group.tree_id.into(),
            group.id.into(),
            group.path.as_str().into(),
            group.name.as_str().into(),
            now.into(),
            command.recorded_by.into(),
        ],
    );
    db.execute_raw(statement).await?;
    Ok(group)
}

/// Nobody else creates or deletes a tree until the transaction ends.
async fn lock_trees(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    locking::whole(db, "account_group", "SHARE ROW EXCLUSIVE").await
}

/// The group, locked, at the revision that it must have.
async fn expected(
    db: &impl ConnectionTrait,
    by: &GroupRef,
    revision: Option<i64>,
) -> Result<account_group::Model, AccountGroupError> {
    let group = find::locked(db, by).await?;
    let group = group.ok_or_else(|| not_found("group", by))?;
    match revision.filter(|revision| *revision != group.revision) {
        None => Ok(group),
        Some(expected) => Err(AccountGroupError::RevisionConflict {
            group_id: group.id,
            path: group.path,
            expected,
            actual: group.revision,
        }),
    }
}

/// Refuses a path to which a group cannot move.
async fn refuse_place(
    db: &impl ConnectionTrait,
    group: &account_group::Model,
    path: &str,
) -> Result<(), AccountGroupError> {
    let (from, _) = below(&group.path);
    if path.starts_with(&from) {
        let problem = "is below the group itself: choose another place";
        return Err(InvalidInput::new("path", problem).into());
    }
    let parent = path.rsplit_once(':').map(|(parent, _)| parent);
    match (&group.parent_path, parent) {
        (None, None) => lock_trees(db).await?,
        (None, Some(_)) => {
            let problem =
                "is in a tree, and the group is a tree itself: its path stays one part long";
            return Err(InvalidInput::new("path", problem).into());
        }
        (Some(_), Some(parent)) if tree_of(path) == tree_of(&group.path) => {
            let by = GroupRef::Path(parent.to_owned());
            if find::account_group(db, &by).await?.is_none() {
                return Err(not_found("path", &by).into());
            }
        }
        (Some(_), _) => {
            let problem = format!(
                "is not in the tree `{}`: a group stays in its tree",
                tree_of(&group.path)
            );
            return Err(InvalidInput::new("path", problem).into());
        }
    }
    refuse_taken(db, path).await?;
    for lower in groups_below(db, group).await? {
        let rest = lower.path.strip_prefix(&group.path).unwrap_or_default();
        self::path("path", &format!("{path}{rest}")).map_err(|refusal| {
            let problem = format!(
                "would make a path of the group `{}` that {}",
                lower.path, refusal.problem
            );
            InvalidInput::new("path", problem)
        })?;
    }
    Ok(())
}

async fn refuse_taken(db: &impl ConnectionTrait, path: &str) -> Result<(), AccountGroupError> {
    let by = GroupRef::Path(path.to_owned());
    match find::account_group(db, &by).await? {
        None => Ok(()),
        Some(group) => Err(AccountGroupError::PathTaken {
            path: group.path,
            group_id: group.id,
        }),
    }
}
