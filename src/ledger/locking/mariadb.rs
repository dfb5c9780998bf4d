//! How accounts are locked on MariaDB.
//!
//! `FOR UPDATE` locks rows in the order in which the plan reads them, and takes no heed of ORDER BY. So the ids are collected first,
//! without locks, in their order; then the rows are read by these, one after the other (`STRAIGHT_JOIN`), and each is locked as it is
//! read. An account keeps its code, so the account that is locked is the one that was named.

use super::Locking;
use crate::ledger::{AccountRef, literal};
use sea_orm::{DbBackend, DbErr, Statement, Value};
use uuid::Uuid;

/// What is asked for about each account, under a lock of its own.
pub(in crate::ledger) struct Asking {
    /// The column, as SELECT has it.
    pub(in crate::ledger) column: &'static str,
    /// The row of `named_lock` that is locked first, together with others who do so.
    pub(in crate::ledger) shares: &'static str,
}

/// The statement that locks and reads these accounts, and those that `locking` adds, in the order of their ids.
///
/// # Errors
/// None that callers could cause.
pub(in crate::ledger) fn statement(
    ids: &[Uuid],
    codes: &[String],
    locking: &Locking,
    asking: Option<&Asking>,
) -> Result<Statement, DbErr> {
    /// With more parameters, a text hardly comes again, and to prepare it would be a round trip.
    const PREPARED: usize = 8;
    let (mut all_ids, mut all_codes) = AccountRef::ids_and_codes(&locking.also.accounts);
    all_ids.extend(ids);
    all_codes.extend_from_slice(codes);
    let entries = &locking.also.entries;
    let mut wanted = Vec::new();
    let mut parameters: Vec<Value> = Vec::new();
    let mut select = |from: &str, among: Vec<Value>| {
        if !among.is_empty() {
            let places = vec!["?"; among.len()].join(", ");
            wanted.push(format!("SELECT {from} IN ({places})"));
            parameters.extend(among);
        }
    };
    let values = |ids: &[Uuid]| ids.iter().map(|id| Value::from(*id)).collect::<Vec<_>>();
    select("id FROM account WHERE id", values(&all_ids));
    let codes = all_codes.into_iter().map(Value::from).collect();
    select("id FROM account WHERE code", codes);
    for side in ["debit_account_id", "credit_account_id"] {
        let from = format!("{side} FROM entry_line WHERE entry_id");
        select(&from, values(entries));
    }
    if wanted.is_empty() {
        wanted.push("SELECT id FROM account WHERE FALSE".to_owned());
    }
    let column = asking.map_or(String::new(), |it| format!(", {}", it.column));
    let shared = asking.map_or(String::new(), |it| {
        format!(
            "(SELECT name FROM named_lock WHERE name = '{}' LOCK IN SHARE MODE) AS shared STRAIGHT_JOIN ",
            it.shares
        )
    });
    // Without LIMIT, the order of a subquery counts for nothing.
    let sql = format!(
        "SELECT account.*{column} FROM {shared}({} ORDER BY id LIMIT 1000000000) AS wanted \
         STRAIGHT_JOIN account ON account.id = wanted.id FOR UPDATE{}",
        wanted.join(" UNION "),
        if locking.waits { "" } else { " NOWAIT" }
    );
    let is_prepared = parameters.len() <= PREPARED;
    let statement = Statement::from_sql_and_values(DbBackend::MySql, sql, parameters);
    if is_prepared {
        return Ok(statement);
    }
    let text = literal::inline(&statement)?;
    Ok(Statement::from_string(DbBackend::MySql, text))
}
