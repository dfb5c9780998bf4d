//! What is seen of the database by somebody who may see some ledgers and not others.

use super::is_code;
use crate::ledger::dialect;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use std::collections::BTreeSet;

/// The role that PostgreSQL's policies are for.
const ROLE: &str = "daybook_confined";

/// The ledgers that are visible to somebody who does not see all.
///
/// The rule is the database's: row-level security on PostgreSQL, for a role of its own, and on SQLite a condition for each table, which is put
/// into each statement. Both say the same (`m20261128_97_create_ledger`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Visible(BTreeSet<String>);

impl Visible {
    /// These ledgers. What no ledger can be called is left out.
    pub fn new(codes: impl IntoIterator<Item = String>) -> Self {
        Self(codes.into_iter().filter(|code| is_code(code)).collect())
    }

    /// Their codes.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this ledger is one of them; none is the one without a name, which never is.
    #[must_use]
    pub fn contains(&self, ledger: Option<&str>) -> bool {
        ledger.is_some_and(|code| self.0.contains(code))
    }

    /// What holds for the transaction of somebody who sees these, on PostgreSQL: names and values of settings.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, String); 2] {
        let codes: Vec<_> = self.codes().collect();
        [
            ("daybook.ledgers", codes.join(" ")),
            ("role", ROLE.to_owned()),
        ]
    }

    /// What somebody who sees these sees of each table, on SQLite: its name, and the condition for its rows.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        // Codes have no quotes in them.
        let codes = self.codes().map(|code| format!("'{code}'"));
        let codes = codes.collect::<Vec<_>>().join(", ");
        let listed = format!("ledger IN ({codes})");
        let conditions = ROWS.map(|(table, rule)| {
            let condition = match rule {
                Rows::Ledgers => format!("code IN ({codes})"),
                Rows::Listed => listed.clone(),
                Rows::Where(condition) => condition.to_owned(),
            };
            (table, condition)
        });
        conditions.into()
    }
}

/// Sees to it that callers can be confined to ledgers: on PostgreSQL, creates the role and the policies, or makes them anew; on SQLite nothing
/// is needed.
///
/// # Errors
/// When the database fails, which it does where the user may not create roles and there is none. On MariaDB, where no rows are hidden.
pub async fn confine(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        let call = dialect::plain(DbBackend::Postgres, "SELECT daybook_confine()");
        db.query_one_raw(call).await?;
    }
    if db.get_database_backend() == DbBackend::MySql {
        let problem = "no rows are hidden from an operation on MariaDB";
        return Err(DbErr::Custom(problem.to_owned()));
    }
    Ok(())
}

/// Whether callers can be confined to ledgers: each table has its policy, the user of this connection may become the role, and the role is
/// subject to policies.
///
/// # Errors
/// When the database fails.
pub async fn can_confine(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    match db.get_database_backend() {
        DbBackend::Sqlite => return Ok(true),
        DbBackend::MySql => return Ok(false),
        _ => {}
    }
    let tables = ROWS.map(|(table, _)| format!("('{table}')")).join(", ");
    let sql = format!(
        "SELECT COALESCE((SELECT pg_has_role(oid, 'MEMBER') AND NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = '{ROLE}'), FALSE) AND NOT EXISTS (
             SELECT 1 FROM (VALUES {tables}) AS ruled (name) WHERE NOT EXISTS (
                 SELECT 1 FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
                 WHERE pg_class.oid = to_regclass(ruled.name) AND relrowsecurity AND polname = 'confined'
             )
         ) AS can_confine"
    );
    let row = db
        .query_one_raw(dialect::plain(DbBackend::Postgres, sql))
        .await?;
    row.map_or(Ok(false), |row| row.try_get("", "can_confine"))
}

/// Which rows of a table are visible.
#[derive(Clone, Copy)]
enum Rows {
    /// The ledgers themselves.
    Ledgers,
    /// Those of the ledgers.
    Listed,
    /// Those that fulfil this condition. The tables in it have their visible rows alone.
    Where(&'static str),
}

const OF_ACCOUNT: Rows =
    Rows::Where("EXISTS (SELECT 1 FROM account WHERE account.id = account_id)");
const OF_ENTRY: Rows = Rows::Where("EXISTS (SELECT 1 FROM entry WHERE entry.id = entry_id)");
const OF_PREFIX: Rows = Rows::Where(
    "EXISTS (SELECT 1 FROM ledger WHERE substr(ledger.code || ':', 1, length(code_prefix)) = code_prefix
         OR substr(code_prefix, 1, length(ledger.code) + 1) = ledger.code || ':')",
);
const NONE: Rows = Rows::Where("FALSE");

/// Tables that are not here have nothing of any ledger.
const ROWS: [(&str, Rows); 27] = [
    ("ledger", Rows::Ledgers),
    ("account", Rows::Listed),
    ("account_change", OF_ACCOUNT),
    ("account_metadata", OF_ACCOUNT),
    ("account_pending", OF_ACCOUNT),
    ("late_line", OF_ACCOUNT),
    ("late_place", OF_ACCOUNT),
    ("late_total", OF_ACCOUNT),
    ("entry", Rows::Listed),
    (
        "entry_line",
        Rows::Where("EXISTS (SELECT 1 FROM account WHERE account.id = debit_account_id)"),
    ),
    ("entry_change", OF_ENTRY),
    ("entry_metadata", OF_ENTRY),
    ("entry_word", OF_ENTRY),
    ("open_hold", OF_ENTRY),
    ("line_part", OF_ENTRY),
    ("seal", OF_ENTRY),
    (
        "outbox",
        Rows::Where(
            "EXISTS (SELECT 1 FROM entry WHERE entry.id = entry_id) OR EXISTS (SELECT 1 FROM account WHERE account.id = account_id)",
        ),
    ),
    ("closing", OF_PREFIX),
    ("closed_period", OF_PREFIX),
    ("account_group", NONE),
    ("group_member", NONE),
    ("group_prefix", NONE),
    ("group_change", NONE),
    ("webhook", NONE),
    ("webhook_account", NONE),
    ("webhook_dead_letter", NONE),
    ("import", NONE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_left_out() {
        let visible = Visible::new(["acme", "b'c", "", "x:y"].map(str::to_owned));
        assert_eq!(visible.codes().collect::<Vec<_>>(), ["acme"]);
        assert!(visible.contains(Some("acme")) && !visible.contains(None));
        let none = Visible::new([]);
        assert!(
            none.rows()
                .contains(&("account", "ledger IN ()".to_owned()))
        );
    }
}
