//! How accounts are locked on MariaDB.
//!
//! `FOR UPDATE` locks rows in the order in which the plan reads them, and takes no heed of ORDER BY. So the ids are collected first, in
//! their order; then the rows are read by these, one after the other (`STRAIGHT_JOIN`), and each is locked as it is read.
//!
//! Nothing is read without a lock: the statement would have a snapshot then, and a row that another transaction has changed since would
//! not be locked, but be a conflict (error 1020). Codes are read from their index alone, which no posting changes, so nobody waits there. An
//! account keeps its code, so the account that is locked is the one that was named.

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
    let mut wanted = vec!["(SELECT CAST(NULL AS BINARY(16)) AS id)".to_owned()];
    wanted.extend(all_ids.iter().map(|_| "(SELECT ?)".to_owned()));
    let mut parameters: Vec<Value> = all_ids.into_iter().map(Value::from).collect();
    let mut read = |what: &str, among: Vec<Value>| {
        if !among.is_empty() {
            let places = vec!["?"; among.len()].join(", ");
            wanted.push(format!("(SELECT {what} IN ({places}) LOCK IN SHARE MODE)"));
            parameters.extend(among);
        }
    };
    let codes = all_codes.into_iter().map(Value::from).collect();
    read(
        "id FROM account FORCE INDEX (account_code_key) WHERE code",
        codes,
    );
    for side in ["debit_account_id", "credit_account_id"] {
        let what = format!("{side} FROM entry_line WHERE entry_id");
        read(&what, entries.iter().copied().map(Value::from).collect());
    }
    let column = asking.map_or(String::new(), |it| format!(", {}", it.column));
    let shared = asking.map_or(String::new(), |it| {
        format!(
            "(SELECT name FROM named_lock WHERE name = '{}' LOCK IN SHARE MODE) AS shared STRAIGHT_JOIN ",
            it.shares
        )
    });
    // Without LIMIT, the order of a subquery counts for nothing. Without the index, a few accounts would be read one and all, and a locked one
    // waited for, whosever it is.
    let sql = format!(
        "SELECT account.*{column} FROM {shared}({} ORDER BY id LIMIT 1000000000) AS wanted \
         STRAIGHT_JOIN account FORCE INDEX (PRIMARY) ON account.id = wanted.id FOR UPDATE{}",
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
