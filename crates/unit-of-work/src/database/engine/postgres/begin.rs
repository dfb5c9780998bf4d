//! PostgreSQL's BEGIN, with its settings in the same round trip.

use std::fmt::Write as _;

use sea_orm::DbErr;

use crate::{Access, database::begin::Begin};

/// BEGIN with its settings, and the questions for the transaction's id or the server's position, which is `position`.
///
/// # Errors
/// If a setting has the character U+0000, and if there are rows to see, which is SQLite's.
pub(super) fn begin_sql(begin: &Begin, position: &str) -> Result<String, DbErr> {
    if !begin.settings.of_sqlite().is_empty() {
        return Err(DbErr::BackendNotSupported {
            db: "PostgreSQL",
            ctx: "the rows of an operation: row-level security by settings",
        });
    }
    let settings = begin.settings.of_postgres();
    if settings.iter().any(has_nul) {
        return Err(DbErr::Custom(
            "a setting of the transaction has the character U+0000".to_owned(),
        ));
    }
    let mut sql = String::from("BEGIN");
    if let Some(level) = begin.isolation {
        let _ = write!(sql, " ISOLATION LEVEL {level}");
    }
    let limits = [
        ("statement_timeout", begin.statement_timeout),
        ("idle_in_transaction_session_timeout", begin.idle_timeout),
    ];
    for (name, limit) in limits {
        if let Some(limit) = limit {
            // 0 would mean no limit.
            let milliseconds = limit.as_millis().max(1);
            let _ = write!(sql, "; SET LOCAL {name} = {milliseconds}");
        }
    }
    for (name, value) in settings {
        let (name, value) = (literal(name), literal(value));
        let _ = write!(sql, "; SELECT set_config({name}, {value}, true)");
    }
    if begin.locate && begin.access == Access::ReadOnly {
        // The first statement takes the snapshot. The position is read after that, so the snapshot has nothing from beyond it.
        let _ = write!(sql, "; {position}");
    }
    if begin.identify {
        sql.push_str("; SELECT pg_current_xact_id()::text, pg_backend_pid()::text");
    }
    Ok(sql)
}

/// Whether a setting has the character U+0000, at which PostgreSQL ends a statement.
fn has_nul((name, value): &(String, String)) -> bool {
    name.contains('\0') || value.contains('\0')
}

/// A string literal that does not depend on `standard_conforming_strings`.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_be_broken_out_of() {
        assert_eq!(literal("it's"), "E'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }
}
