//! What goes with BEGIN: all of it in the same round trip.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use sea_orm::{DbErr, IsolationLevel};

use crate::{Access, database::backend::Backend};

/// How a unit's transaction begins.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) access: Access,
    /// Stricter than the session's own, where the operation asks for it.
    pub(crate) isolation: Option<IsolationLevel>,
    /// Shorter than the session's own, where the operation's deadline is.
    pub(crate) statement_timeout: Option<Duration>,
    /// The same for the time between two statements: a server that hears nothing more ends the transaction, and lets its locks
    /// go.
    pub(crate) idle_timeout: Option<Duration>,
    /// Values that hold for this transaction alone.
    pub(crate) settings: SessionSettings,
    /// Whether to ask for what the transaction is known by, so that the outcome of a lost COMMIT can be asked for.
    pub(crate) identify: bool,
}

/// What PostgreSQL knows a transaction by.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// `pg_current_xact_id()`. It is this transaction's only for as long as its backend lives: after a crash of the server, or
    /// a failover, another transaction may get the same id.
    pub(crate) transaction: String,
    pub(crate) backend: Arc<Backend>,
}

/// Settings of PostgreSQL that hold for one operation's transaction alone (`set_config(name, value, true)`): a tenant or a
/// viewer for row-level security, or `role`. Put them into a request's data.
///
/// They travel with BEGIN, so they cost no round trip, and they are gone when the transaction ends. On SQLite, which has
/// none, an operation with settings is refused at its first statement: what guards data must not be dropped silently.
///
/// ```
/// let settings = unit_of_work::SessionSettings::new().set("app.tenant", "42");
/// let request = async_graphql::Request::new("{ orders { id } }").data(settings);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings(Vec<(String, String)>);

impl SessionSettings {
    /// No settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting. A custom one has a dot in its name.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether PostgreSQL can read them: a statement ends at U+0000.
    fn has_nul(&self) -> bool {
        self.0
            .iter()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    }
}

impl Begin {
    /// Whether one statement without a transaction would run on the same terms. It is never idle in a transaction.
    pub(crate) fn is_plain(&self) -> bool {
        self.isolation.is_none()
            && self.statement_timeout.is_none()
            && self.settings.is_empty()
            && !self.identify
    }

    /// # Errors
    /// When a setting has the character U+0000.
    pub(crate) fn postgres_sql(&self) -> Result<String, DbErr> {
        if self.settings.has_nul() {
            return Err(DbErr::Custom(
                "a setting of the transaction has the character U+0000".to_owned(),
            ));
        }
        let mut sql = String::from("BEGIN");
        if let Some(level) = self.isolation {
            let _ = write!(sql, " ISOLATION LEVEL {level}");
        }
        let limits = [
            ("statement_timeout", self.statement_timeout),
            ("idle_in_transaction_session_timeout", self.idle_timeout),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit {
                // 0 would be no limit at all.
                let milliseconds = limit.as_millis().max(1);
                let _ = write!(sql, "; SET LOCAL {name} = {milliseconds}");
            }
        }
        for (name, value) in &self.settings.0 {
            let (name, value) = (literal(name), literal(value));
            let _ = write!(sql, "; SELECT set_config({name}, {value}, true)");
        }
        if self.identify {
            sql.push_str("; SELECT pg_current_xact_id()::text, pg_backend_pid()::text");
        }
        Ok(sql)
    }
}

/// A string literal that means the same whatever `standard_conforming_strings` says.
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
