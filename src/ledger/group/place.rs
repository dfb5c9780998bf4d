//! Where accounts are: the group of a tree that an account is in by hand, or else the one with the longest prefix of its code.
//!
//! **Prefixes are ranges.** The codes that begin with a prefix are those from the prefix itself to the prefix and then [`last_code`], byte by
//! byte, and no others: what lies between two texts that begin with a prefix begins with it, too. So the accounts of a prefix are read by
//! the index of codes.

use crate::ledger::dialect;
use crate::ledger::sql::Sql;
use daybook_entity::account_group;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Value};
use std::collections::HashMap;
use uuid::Uuid;

/// A group that an account is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlace {
    /// The group.
    pub group: account_group::Model,
    /// The prefix of the account's code by which it is there; none if it was put there by hand.
    pub code_prefix: Option<String>,
}

/// No code is after a prefix of it that this follows: codes have at most 64 characters.
pub(in crate::ledger) fn last_code() -> String {
    "\u{10ffff}".repeat(64)
}

/// The paths of what is below a group: from the first of these on, and before the second. A semicolon is what follows a colon.
pub(super) fn below(path: &str) -> (String, String) {
    (format!("{path}:"), format!("{path};"))
}

/// Whether an account, `ruled`, has a code that begins with the prefix `rule`. There is a `{last}` to be replaced.
const RULED: &str = "ruled.code >= rule.code_prefix AND ruled.code <= rule.code_prefix || {last}";

/// Prefixes, `rule`, each with the accounts, `ruled`, whose codes begin with it. There is a `{last}` to be replaced. All engines begin with the
/// prefixes: SQLite joins in the order that CROSS says, MariaDB in that of STRAIGHT_JOIN, and PostgreSQL does not look through an OFFSET.
const fn prefixes_with_accounts(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::Postgres => {
            "group_prefix AS rule CROSS JOIN LATERAL (
                SELECT begun.id, begun.code FROM account AS begun
                WHERE begun.code >= rule.code_prefix AND begun.code <= rule.code_prefix || {last} OFFSET 0
             ) AS ruled"
        }
        DbBackend::MySql => {
            "group_prefix AS rule STRAIGHT_JOIN account AS ruled
             ON ruled.code >= rule.code_prefix AND ruled.code <= rule.code_prefix || {last}"
        }
        _ => {
            "group_prefix AS rule CROSS JOIN account AS ruled
             ON ruled.code >= rule.code_prefix AND ruled.code <= rule.code_prefix || {last}"
        }
    }
}

/// Whether nothing goes before the prefix `rule` for the account `ruled`: neither a hand nor a longer prefix.
const FIRST: &str = "NOT EXISTS (
        SELECT 1 FROM group_member AS hand WHERE hand.tree_id = rule.tree_id AND hand.account_id = ruled.id
    ) AND NOT EXISTS (
        SELECT 1 FROM group_prefix AS longer WHERE longer.tree_id = rule.tree_id AND longer.code_prefix > rule.code_prefix
            AND longer.code_prefix <= ruled.code AND ruled.code <= longer.code_prefix || {last}
    )";

/// The condition that an account, of which this is the id, is in a group, or in one below it.
pub(in crate::ledger) fn in_group(
    engine: DbBackend,
    id: &str,
    group: &account_group::Model,
    subgroups: bool,
) -> Sql {
    let (first, after) = below(&group.path);
    let groups = || {
        match subgroups {
        false => Sql::new("= ?").bind(group.id),
        true => Sql::new(
            "IN (SELECT below.id FROM account_group AS below WHERE below.id = ? OR below.path >= ? AND below.path < ?)",
        )
        .bind(group.id)
        .bind(first.as_str())
        .bind(after.as_str()),
    }
    };
    let last = last_code();
    // PostgreSQL cannot know how many accounts a prefix has, expects very many, and reads all there are. Of an array it expects a few.
    let (head, tail) = match engine {
        DbBackend::Postgres => ("= ANY (ARRAY(", "))"),
        // Of a union itself, it would ask for each account whether it is in there.
        DbBackend::MySql => ("IN (WITH grouped (id) AS (", ") SELECT id FROM grouped)"),
        _ => ("IN (", ")"),
    };
    let from = prefixes_with_accounts(engine).replace("{last}", "?");
    Sql::new(&format!("{id} {head}"))
        .then("SELECT member.account_id FROM group_member AS member WHERE member.group_id ")
        .and(groups())
        .then(&format!(
            " UNION ALL SELECT ruled.id FROM {from} WHERE rule.group_id "
        ))
        .bind(last.as_str())
        .and(groups())
        .then(&format!(" AND {FIRST}{tail}").replace("{last}", "?"))
        .bind(last)
}

/// The condition that an account is in no group of a tree.
pub(in crate::ledger) fn ungrouped(engine: DbBackend, tree: &account_group::Model) -> Sql {
    let from = prefixes_with_accounts(engine);
    let sql = format!(
        "account.id NOT IN (SELECT member.account_id FROM group_member AS member WHERE member.tree_id = ?
         UNION ALL SELECT ruled.id FROM {from} WHERE rule.tree_id = ?)"
    );
    Sql::new(&sql.replace("{last}", "?"))
        .bind(tree.id)
        .bind(last_code())
        .bind(tree.id)
}

/// The group that each account has by the prefixes of a tree, whatever was done by hand: a SELECT of `id` and `group_id`. The tree's id and
/// [`last_code`] are parameters with these names.
pub(in crate::ledger) fn by_prefix(engine: DbBackend, tree: &str, last: &str) -> String {
    let from = prefixes_with_accounts(engine);
    format!(
        "SELECT id, group_id FROM (
            SELECT ruled.id, rule.group_id,
                   ROW_NUMBER() OVER (PARTITION BY ruled.id ORDER BY length(rule.code_prefix) DESC) AS nth
            FROM {from} WHERE rule.tree_id = {tree}
         ) AS ranked WHERE nth = 1"
    )
    .replace("{last}", last)
}

/// The groups of each of these accounts, one of each tree at the most, by path: one statement.
///
/// # Errors
/// When the database fails.
pub async fn groups_of_accounts(
    db: &impl ConnectionTrait,
    account_ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<GroupPlace>>, DbErr> {
    let sql = format!(
        "SELECT account_group.*, place.account_id, place.code_prefix FROM (
            SELECT account_id, group_id, CAST(NULL AS text) AS code_prefix FROM group_member WHERE account_id IN ({{ids}})
            UNION ALL
            SELECT ruled.id, rule.group_id, rule.code_prefix FROM account AS ruled CROSS JOIN group_prefix AS rule
            WHERE ruled.id IN ({{ids}}) AND {RULED} AND {FIRST}
         ) AS place JOIN account_group ON account_group.id = place.group_id
         ORDER BY account_group.path"
    );
    let last = Value::from(last_code());
    let mut places: HashMap<Uuid, Vec<GroupPlace>> = HashMap::new();
    for row in of_accounts(db, &sql, account_ids, Some(last)).await? {
        let account_id = row.try_get("", "account_id")?;
        places.entry(account_id).or_default().push(GroupPlace {
            group: account_group::Model::from_query_result(&row, "")?,
            code_prefix: row.try_get("", "code_prefix")?,
        });
    }
    Ok(places)
}

/// The paths of the groups that each of these accounts is in by hand, in their order: one statement.
///
/// # Errors
/// When the database fails.
pub async fn groups_by_hand(
    db: &impl ConnectionTrait,
    account_ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let sql = "SELECT account_id, path FROM group_member JOIN account_group ON account_group.id = group_member.group_id
         WHERE account_id IN ({ids}) ORDER BY path";
    let mut groups: HashMap<Uuid, Vec<String>> = HashMap::new();
    for row in of_accounts(db, sql, account_ids, None).await? {
        let paths = groups.entry(row.try_get("", "account_id")?).or_default();
        paths.push(row.try_get("", "path")?);
    }
    Ok(groups)
}

/// The rows of a statement about these accounts.
async fn of_accounts(
    db: &impl ConnectionTrait,
    sql: &str,
    account_ids: &[Uuid],
    last: Option<Value>,
) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
    if account_ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = (1..=account_ids.len()).map(|n| format!("${n}")).collect();
    let sql = sql
        .replace("{ids}", &ids.join(", "))
        .replace("{last}", &format!("${}", ids.len() + 1));
    let parameters = account_ids.iter().map(|id| Value::from(*id)).chain(last);
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    db.query_all_raw(statement).await
}
