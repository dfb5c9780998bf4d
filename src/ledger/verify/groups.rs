//! Checks groups of accounts, and what is in them, against their history.

use super::checks::{FullJoin, rows};
use super::{CheckedAccount, Difference};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult};
use uuid::Uuid;

/// Groups that are not what the last of their changes says, of which a change is missing, or that are in no group or tree that there is.
pub(super) async fn groups(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        path: String,
    }
    let join = FullJoin {
        columns: "COALESCE(account_group.path, last.path_after) AS path",
        left: "last",
        right: "account_group",
        on: "account_group.id = last.group_id",
        and: "LEFT JOIN (SELECT group_id, COUNT(*) AS times FROM changes GROUP BY group_id) AS kept ON kept.group_id = account_group.id
        LEFT JOIN account_group AS parent ON parent.path = account_group.parent_path AND parent.tree_id = account_group.tree_id",
        condition: "last.group_id IS NULL OR account_group.id IS NULL OR last.tree_id <> account_group.tree_id
           OR last.path_after <> account_group.path OR last.name_after <> account_group.name OR kept.times <> account_group.revision
           OR (account_group.parent_path IS NULL) <> (account_group.tree_id = account_group.id)
           OR account_group.parent_path IS NOT NULL AND parent.id IS NULL",
        left_key: "last.group_id",
    };
    let sql = format!(
        "WITH changes AS (SELECT * FROM group_change WHERE account_id IS NULL AND code_prefix IS NULL), last AS (
            SELECT * FROM changes WHERE path_after IS NOT NULL AND number IN (SELECT MAX(number) FROM changes GROUP BY group_id)
        )
        {} ORDER BY 1",
        join.sql(db.get_database_backend())
    );
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| Difference::AccountGroup { path: row.path };
    Ok(rows.into_iter().map(difference).collect())
}

/// Accounts that are in another group by hand than the last change says.
pub(super) async fn members(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        account_id: Uuid,
        code: Option<String>,
    }
    let sql = format!(
        "{} SELECT DISTINCT differs.content AS account_id, account.code FROM differs LEFT JOIN account ON account.id = differs.content
         ORDER BY 1",
        differs(db.get_database_backend(), "group_member", "account_id")
    );
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| Difference::GroupMember {
        account: CheckedAccount {
            id: row.account_id,
            code: row.code.unwrap_or_default(),
        },
    };
    Ok(rows.into_iter().map(difference).collect())
}

/// Prefixes of codes that are in another group than the last change says.
pub(super) async fn prefixes(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        code_prefix: String,
    }
    let sql = format!(
        "{} SELECT DISTINCT content AS code_prefix FROM differs ORDER BY 1",
        differs(db.get_database_backend(), "group_prefix", "code_prefix")
    );
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| Difference::GroupPrefix {
        code_prefix: row.code_prefix,
    };
    Ok(rows.into_iter().map(difference).collect())
}

/// What is in another group than the last change says, or in one that is not in the tree.
fn differs(engine: DbBackend, table: &str, column: &str) -> String {
    let join = FullJoin {
        columns: &format!("COALESCE(kept.{column}, last.{column}) AS content"),
        left: "last",
        right: &format!("{table} AS kept"),
        on: &format!("kept.tree_id = last.tree_id AND kept.{column} = last.{column}"),
        and: "LEFT JOIN account_group ON account_group.id = kept.group_id AND account_group.tree_id = kept.tree_id",
        condition: "kept.group_id IS DISTINCT FROM last.group_id OR account_group.id IS NULL",
        left_key: "last.group_id",
    };
    format!(
        "WITH changes AS (SELECT * FROM group_change WHERE {column} IS NOT NULL), last AS (
            SELECT * FROM changes WHERE path_after IS NOT NULL
                AND number IN (SELECT MAX(number) FROM changes GROUP BY tree_id, {column})
         ), differs AS (
            {}
         )",
        join.sql(engine)
    )
}
