//! The required properties of a session on PostgreSQL, and their check.

use std::time::Duration;

use sea_orm::IsolationLevel;
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::{
    Access,
    database::{after_connect::AfterConnect, engine::session::SessionError},
};

/// The required properties of a session on PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct PostgresSession {
    pub(crate) access: Access,
    /// The role that the server must have now.
    pub(crate) role: Role,
    pub(crate) isolation: IsolationLevel,
    pub(crate) statement_timeout: Duration,
    pub(crate) idle_in_transaction_timeout: Duration,
    /// The application's hook for new connections, and what it is told of them.
    pub(crate) hook: Option<(AfterConnect, Access)>,
}

/// What a server must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The primary; for a writer, one that takes writes.
    Primary,
    /// A primary or a standby.
    Any,
}

const DROPPED: &str = "something between here and the server drops start-up options, as the pooler pgbouncer does with \
                       `ignore_startup_parameters = options`: connect to the server itself, or let the options through";

/// With `off`, a crash could undo an acknowledged COMMIT; with `local` or `remote_write`, a failover could. The setting is set and not only
/// checked: a session without a value of its own follows the server's configuration file whenever that is read again.
const DURABLE: &str = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
                       WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false); ";

impl PostgresSession {
    /// The start-up options.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = vec![
            (
                "statement_timeout",
                self.statement_timeout.as_millis().to_string(),
            ),
            (
                "idle_in_transaction_session_timeout",
                self.idle_in_transaction_timeout.as_millis().to_string(),
            ),
            (
                "default_transaction_isolation",
                self.isolation.to_string().to_lowercase(),
            ),
            // Otherwise a SERIALIZABLE query would wait for other transactions before it begins.
            ("default_transaction_deferrable", "off".to_owned()),
            // It decides where string literals end, which our reader of SQL relies on.
            ("standard_conforming_strings", "on".to_owned()),
        ];
        if self.access == Access::ReadOnly {
            options.push(("default_transaction_read_only", "on".to_owned()));
        }
        options
    }

    /// The settings that must hold: the start-up options, those that the driver sends, and those that nobody sends.
    pub(super) fn expected(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut expected: Vec<_> = self
            .options()
            .into_iter()
            .map(|(name, value)| (name, value, DROPPED))
            .collect();
        for (name, value) in [("client_encoding", "UTF8"), ("TimeZone", "UTC")] {
            expected.push((name, value.to_owned(), DROPPED));
        }
        if self.access == Access::ReadWrite {
            expected.push((
                "session_replication_role",
                "origin".to_owned(),
                "with another value foreign keys are not checked: take it from the role or the database",
            ));
        }
        expected
    }

    fn question(&self) -> String {
        let names: Vec<_> = self
            .expected()
            .iter()
            .map(|(name, ..)| format!("'{name}'"))
            .collect();
        let durable = match self.access {
            Access::ReadWrite => DURABLE,
            Access::ReadOnly => "",
        };
        format!(
            "{durable}SELECT name, setting FROM pg_settings \
             WHERE name IN ({}, 'transaction_read_only', 'synchronous_commit') \
             UNION ALL SELECT 'in recovery', pg_is_in_recovery()::text",
            names.join(", ")
        )
    }

    /// Checks a new connection, in one round trip.
    ///
    /// # Errors
    /// [`SessionError`] if a property is missing, and errors of the question itself.
    pub(super) async fn prove(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let question = sqlx::AssertSqlSafe(self.question());
        let mut found = Vec::new();
        for row in connection.fetch_all(question).await? {
            // The answer of `set_config` has one column.
            if row.len() == 2 {
                found.push((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?));
            }
        }
        let has_hook = self.hook.is_some();
        Ok(self
            .judge(&found)
            .map_err(|error| error.with_hook(has_hook))?)
    }

    fn judge(&self, found: &[(String, String)]) -> Result<(), SessionError> {
        let value = |name: &str| {
            let found = found.iter().find(|(found, _)| found == name);
            found.map_or("unknown", |(_, value)| value.as_str())
        };
        for (name, asked, advice) in self.expected() {
            let found = value(name);
            if !found.eq_ignore_ascii_case(&asked) {
                return Err(SessionError::not_as_asked(name, &asked, found, advice));
            }
        }
        if self.access == Access::ReadWrite
            && !matches!(value("synchronous_commit"), "on" | "remote_apply")
        {
            return Err(SessionError::not_as_asked(
                "synchronous_commit",
                "on",
                value("synchronous_commit"),
                "a COMMIT that was acknowledged could be lost in a crash",
            ));
        }
        if self.role == Role::Any {
            return Ok(());
        }
        if value("in recovery") != "false" {
            return Err(SessionError::STANDBY);
        }
        // A reader's own setting is on.
        if self.access == Access::ReadWrite && value("transaction_read_only") != "off" {
            return Err(SessionError::TakesNoWrites(
                "`default_transaction_read_only` is on for the server, the database or the role",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(access: Access) -> PostgresSession {
        PostgresSession {
            access,
            role: match access {
                Access::ReadOnly => Role::Any,
                Access::ReadWrite => Role::Primary,
            },
            isolation: IsolationLevel::RepeatableRead,
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(60),
            hook: None,
        }
    }

    /// The server's answer for a session with all required properties.
    fn kept(session: &PostgresSession) -> Vec<(String, String)> {
        let mut found: Vec<_> = session
            .expected()
            .into_iter()
            .map(|(name, value, _)| (name.to_owned(), value))
            .collect();
        for (name, value) in [
            ("synchronous_commit", "on"),
            ("in recovery", "false"),
            ("transaction_read_only", "off"),
        ] {
            found.push((name.to_owned(), value.to_owned()));
        }
        found
    }

    /// Each setting matters: with any one of them changed, or not known, the session is refused.
    #[test]
    fn every_setting_is_looked_at() {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let session = session(access);
            let kept = kept(&session);
            assert_eq!(session.judge(&kept), Ok(()));
            let of_writers = ["synchronous_commit", "in recovery", "transaction_read_only"];
            for (at, setting) in kept.iter().enumerate() {
                if access == Access::ReadOnly && of_writers.contains(&setting.0.as_str()) {
                    continue;
                }
                let mut changed = kept.clone();
                changed[at].1 = "changed".to_owned();
                assert!(session.judge(&changed).is_err(), "{setting:?}");
                changed.remove(at);
                assert!(session.judge(&changed).is_err(), "{setting:?}");
            }
        }
    }

    #[test]
    fn a_reader_that_needs_the_primary_does_not_read_a_standby() {
        let reader = PostgresSession {
            role: Role::Primary,
            ..session(Access::ReadOnly)
        };
        let mut found = kept(&reader);
        found.retain(|(name, _)| name != "transaction_read_only");
        found.push(("transaction_read_only".to_owned(), "on".to_owned()));
        assert_eq!(reader.judge(&found), Ok(()));
        for answer in ["true", "unheard of"] {
            found.retain(|(name, _)| name != "in recovery");
            found.push(("in recovery".to_owned(), answer.to_owned()));
            assert_eq!(reader.judge(&found), Err(SessionError::STANDBY));
        }
    }

    #[test]
    fn a_standby_takes_no_writes_and_can_be_read() {
        let (reader, writer) = (session(Access::ReadOnly), session(Access::ReadWrite));
        let on_standby = |session: &PostgresSession| {
            let mut found = kept(session);
            for (name, value) in &mut found {
                if name == "in recovery" {
                    *value = "true".to_owned();
                }
            }
            session.judge(&found)
        };
        assert_eq!(on_standby(&reader), Ok(()));
        assert!(matches!(
            on_standby(&writer),
            Err(SessionError::TakesNoWrites(_))
        ));
    }
}
