//! How many lines a statement has.

use super::{
    StatementFilter, check,
    read::{add, conditions, sides},
};
use crate::ledger::InvalidInput;
use crate::ledger::dialect;
use daybook_entity::account;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};
use std::collections::HashMap;
use uuid::Uuid;

/// The lines of an account, to be counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatementCount {
    account_id: Uuid,
    /// The account's version: lines of later ones do not count.
    newest: i64,
    filter: StatementFilter,
}

impl StatementCount {
    /// The lines of `account` that the filter lets through.
    ///
    /// # Errors
    /// When the filter breaks a rule.
    pub fn new(account: &account::Model, filter: StatementFilter) -> Result<Self, InvalidInput> {
        Ok(Self {
            account_id: account.id,
            newest: account.version,
            filter: check(filter)?,
        })
    }

    /// How many there are, if that is known without asking: each line adds one version to its account, so all lines are as many as that,
    /// and of none a filter lets none through.
    #[must_use]
    pub fn known(&self) -> Option<i64> {
        (self.newest == 0 || self.filter == StatementFilter::default()).then_some(self.newest)
    }
}

/// How many lines there are of each: one statement. It reads all of them, so call it only when asked for.
///
/// # Errors
/// When the database fails.
pub async fn count_statement_lines(
    db: &impl ConnectionTrait,
    counts: &[StatementCount],
) -> Result<HashMap<StatementCount, i64>, DbErr> {
    if counts.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = db.query_all_raw(count_statement(db, counts)).await?;
    rows.iter()
        .map(|row| {
            let number: i32 = row.try_get("", "number")?;
            let lines: i64 = row.try_get("", "line_count")?;
            let count = usize::try_from(number).ok().and_then(|at| counts.get(at));
            let count =
                count.ok_or_else(|| DbErr::Custom("a count was not asked for".to_owned()))?;
            Ok((count.clone(), lines))
        })
        .collect()
}

/// The statement that counts: one row for each, with its place and how many lines there are. There must be one at least.
pub fn count_statement(db: &impl ConnectionTrait, counts: &[StatementCount]) -> Statement {
    let mut parameters: Vec<Value> = Vec::new();
    let selects: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(number, count)| {
            let account_id = add(&mut parameters, count.account_id);
            let newest = add(&mut parameters, count.newest);
            let (join, conditions) = conditions(&count.filter, &mut parameters);
            let sides: Vec<String> = sides(&count.filter)
                .map(|side| {
                    format!(
                        "(SELECT COUNT(*) FROM entry_line {join}
                          WHERE {side}_account_id = {account_id} AND {side}_version BETWEEN 1 AND {newest}{conditions})"
                    )
                })
                .collect();
            format!("({number}, {})", sides.join(" + "))
        })
        .collect();
    // One table of rows rather than a union: SQLite allows 500 selects of a union, and any number of rows.
    let sql = format!(
        "WITH counted(number, line_count) AS (VALUES {}) SELECT number, line_count FROM counted",
        selects.join(", ")
    );
    dialect::statement(db.get_database_backend(), sql, parameters)
}
