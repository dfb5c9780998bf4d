//! MariaDB's START TRANSACTION, with its settings in the same round trip.

use std::fmt::Write as _;

use sea_orm::DbErr;

use super::session::{idle_limit, snapshot_isolation, statement_limit};
use crate::database::begin::Begin;

/// START TRANSACTION with its settings, and the question for the connection's id.
///
/// # Errors
/// If there are settings of a transaction, or rows to see: MariaDB has neither settings that end with a transaction nor row-level security.
pub(super) fn begin_sql(begin: &Begin) -> Result<String, DbErr> {
    if !begin.settings.is_empty() {
        return Err(DbErr::BackendNotSupported {
            db: "MariaDB",
            ctx: "settings of a transaction, and rows of an operation",
        });
    }
    let mut sql = String::new();
    if let Some(level) = begin.isolation {
        // For the next transaction alone.
        let _ = write!(sql, "SET TRANSACTION ISOLATION LEVEL {level}; ");
    }
    // Of the session, since no setting is a transaction's own. The flight that ends the transaction sets it back.
    let mut set = "SET";
    if let Some(limit) = begin.statement_timeout {
        let _ = write!(sql, "{set} max_statement_time = {}", statement_limit(limit));
        set = ",";
    }
    if let Some(limit) = begin.idle_timeout {
        let _ = write!(
            sql,
            "{set} idle_transaction_timeout = {}",
            idle_limit(limit)
        );
        set = ",";
    }
    if let Some(level) = begin.isolation {
        let _ = write!(
            sql,
            "{set} innodb_snapshot_isolation = {}",
            snapshot_isolation(level)
        );
        set = ",";
    }
    if set == "," {
        sql.push_str("; ");
    }
    // The session says whether it may write.
    sql.push_str("START TRANSACTION");
    if begin.identify {
        sql.push_str("; SELECT CONNECTION_ID()");
    }
    Ok(sql)
}

/// Whether the transaction changes settings of the session.
pub(super) fn changes_limits(begin: &Begin) -> bool {
    begin.statement_timeout.is_some() || begin.idle_timeout.is_some() || begin.isolation.is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_orm::IsolationLevel;

    use super::*;
    use crate::{Access, SessionSettings};

    fn begin() -> Begin {
        Begin {
            access: Access::ReadWrite,
            isolation: None,
            statement_timeout: None,
            idle_timeout: None,
            settings: SessionSettings::new(),
            locate: false,
            identify: false,
        }
    }

    #[test]
    fn settings_travel_with_the_transaction() {
        let second = Some(Duration::from_secs(1));
        let plain = begin();
        let one = Begin {
            idle_timeout: second,
            ..begin()
        };
        let all = Begin {
            isolation: Some(IsolationLevel::Serializable),
            statement_timeout: second,
            idle_timeout: second,
            identify: true,
            ..begin()
        };
        for (begin, expected) in [
            (plain, "START TRANSACTION"),
            (one, "SET idle_transaction_timeout = 1; START TRANSACTION"),
            (
                all,
                "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SET max_statement_time = 1.000000, idle_transaction_timeout = 1, innodb_snapshot_isolation = 1; \
                 START TRANSACTION; SELECT CONNECTION_ID()",
            ),
        ] {
            assert_eq!(begin_sql(&begin).ok().as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_protects_is_not_dropped() {
        let settings = SessionSettings::new().set("app.tenant", "42");
        let rows = SessionSettings::new().rows("mark", "TRUE");
        for settings in [settings, rows] {
            let begin = Begin {
                settings,
                ..begin()
            };
            assert!(begin_sql(&begin).is_err());
        }
    }
}
