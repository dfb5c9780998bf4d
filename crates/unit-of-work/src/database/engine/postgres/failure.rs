//! PostgreSQL's errors, by their SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::FailureKind;

pub(crate) fn kind(error: &PgDatabaseError) -> FailureKind {
    of_sqlstate(error.code())
}

fn of_sqlstate(code: &str) -> FailureKind {
    match code {
        // 55P03: a lock could not be taken at once, or in time (NOWAIT, `lock_timeout`).
        "40001" | "40P01" | "55P03" => FailureKind::Conflict,
        "25006" => FailureKind::ReadOnly,
        // 25P04: `transaction_timeout` has ended the session.
        "57014" | "25P04" => FailureKind::Timeout,
        // The server has no connection left.
        "53300" => FailureKind::Unavailable,
        // 58030: the server cannot read or write its files.
        "53000" | "53100" | "53200" | "58030" => FailureKind::Full,
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => FailureKind::Damaged,
        // 40003: statement completion unknown; 57P01 to 57P05: the server ends the session.
        "40003" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => FailureKind::ConnectionLost,
        code if code.starts_with("08") => FailureKind::ConnectionLost,
        code if code.starts_with("23") => FailureKind::Constraint,
        _ => FailureKind::Other,
    }
}

/// The name of the violated constraint. NOT NULL has none before PostgreSQL 18, but its column is known.
pub(crate) fn constraint(error: &PgDatabaseError) -> Option<String> {
    if error.code() == "23502" {
        let (table, column) = (error.table()?, error.column()?);
        return Some(format!("{table}.{column}"));
    }
    error.constraint().map(str::to_owned)
}

/// Whether the server has ended the session with this error.
pub(crate) fn ends_session(error: &PgDatabaseError) -> bool {
    matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)
}

/// All texts of the error.
pub(crate) fn texts(error: &PgDatabaseError) -> Vec<&str> {
    let more = [error.detail(), error.hint(), error.r#where()];
    std::iter::once(error.message())
        .chain(more.into_iter().flatten())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_postgres_mean_what_the_manual_says() {
        for (kind, codes) in [
            (FailureKind::Conflict, &["40001", "40P01", "55P03"][..]),
            (FailureKind::ReadOnly, &["25006"]),
            (FailureKind::Timeout, &["57014", "25P04"]),
            (
                FailureKind::ConnectionLost,
                &[
                    "57P01", "57P02", "57P03", "57P05", "25P03", "08000", "08003", "08006", "08P01",
                ],
            ),
            (FailureKind::Unavailable, &["53300"]),
            (FailureKind::Full, &["53000", "53100", "53200", "58030"]),
            (FailureKind::Constraint, &["23505", "23503", "23514"]),
            (FailureKind::Damaged, &["XX001", "XX002"]),
            // A dropped database, a wrong password, a database that does not exist, a mistake in a statement.
            (
                FailureKind::Other,
                &["57P04", "28P01", "28000", "3D000", "42601", "XX000"],
            ),
        ] {
            for code in codes {
                assert_eq!(of_sqlstate(code), kind, "{code}");
            }
        }
    }
}
