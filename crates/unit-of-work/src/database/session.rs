//! What the session of a new connection must be, and the proof that it is.
//!
//! Isolation, access mode and time-outs are set when a connection is made, so that they cost an operation no statement. But
//! what sets them may be dropped on the way without a word: a pooler ignores start-up options, an SQLite was built without
//! a feature. So each new connection is asked once, and one that is not as asked is never used.
//!
//! Settings that are not sent are asked for too where the contract rests on them: a role or a database may have its own.

use std::{sync::Arc, time::Duration};

use sea_orm::IsolationLevel;
use sqlx::{Executor as _, Postgres, Row as _, Sqlite};
use thiserror::Error;

use crate::{
    Access,
    database::{backend::Introduced, sqlite::keeper::Keeper},
};

/// A database whose new connections are asked what they are.
pub(crate) trait Sessions: Introduced {
    /// What a session is to be.
    type Asked: Clone + std::fmt::Debug + Send + Sync;

    /// Asks a new connection, in one round trip.
    ///
    /// # Errors
    /// [`SessionError`] as [`sqlx::Error::Configuration`], and those of asking.
    fn prove(
        connection: &mut Self::Connection,
        asked: &Self::Asked,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Says why no connection may be made, before one is: opening another database by mistake would change it.
    ///
    /// # Errors
    /// What is wrong with the database, without asking it.
    fn refuse(_asked: &Self::Asked) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// The same, where it does not matter whether the server takes writes now.
    fn also_without_writes(asked: &Self::Asked) -> Self::Asked;
}

/// Why a connection cannot be used, although it was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum SessionError {
    /// A setting is not as asked.
    #[error("the session has `{setting}` = `{found}`, and should have `{asked}`; {advice}")]
    NotAsAsked {
        setting: String,
        asked: String,
        found: String,
        advice: &'static str,
    },
    /// The session is for writing, and the server takes no writes now. That may pass: another server takes over.
    #[error("the database takes no writes: {0}")]
    TakesNoWrites(&'static str),
}

impl SessionError {
    /// The session's error inside a driver's, if it is one.
    pub(crate) fn in_driver_error(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(error) => error.downcast_ref(),
            _ => None,
        }
    }

    fn not_as_asked(setting: &str, asked: &str, found: &str, advice: &'static str) -> Self {
        Self::NotAsAsked {
            setting: setting.to_owned(),
            asked: asked.to_owned(),
            found: found.to_owned(),
            advice,
        }
    }
}

impl From<SessionError> for sqlx::Error {
    fn from(error: SessionError) -> Self {
        Self::Configuration(Box::new(error))
    }
}

/// What a session on PostgreSQL must be.
#[derive(Clone, Debug)]
pub(crate) struct PostgresSession {
    pub(crate) access: Access,
    /// Whether a writer's server must take writes now.
    pub(crate) must_take_writes: bool,
    pub(crate) isolation: IsolationLevel,
    pub(crate) statement_timeout: Duration,
    pub(crate) idle_in_transaction_timeout: Duration,
}

const DROPPED: &str = "something between here and the server drops start-up options, as the pooler pgbouncer does with \
                       `ignore_startup_parameters = options`: connect to the server itself, or let the options through";

/// `off` would acknowledge a COMMIT that a crash can undo, `local` and `remote_write` one that a failover can.
/// Set rather than only looked at: a session without a value of its own follows the server's configuration file when that is
/// read again.
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
            // A SERIALIZABLE query would wait for others before it begins.
            ("default_transaction_deferrable", "off".to_owned()),
            // Where strings end, for whoever reads SQL as we do.
            ("standard_conforming_strings", "on".to_owned()),
        ];
        if self.access == Access::ReadOnly {
            options.push(("default_transaction_read_only", "on".to_owned()));
        }
        options
    }

    /// What must hold: the options, what the driver sends with them, and what nobody sends.
    fn expected(&self) -> Vec<(&'static str, String, &'static str)> {
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
        if self.access == Access::ReadOnly {
            return Ok(());
        }
        if !matches!(value("synchronous_commit"), "on" | "remote_apply") {
            return Err(SessionError::not_as_asked(
                "synchronous_commit",
                "on",
                value("synchronous_commit"),
                "a COMMIT that was acknowledged could be lost in a crash",
            ));
        }
        if !self.must_take_writes {
            return Ok(());
        }
        if value("in recovery") != "false" {
            return Err(SessionError::TakesNoWrites("the server is a standby"));
        }
        if value("transaction_read_only") != "off" {
            return Err(SessionError::TakesNoWrites(
                "`default_transaction_read_only` is on for the server, the database or the role",
            ));
        }
        Ok(())
    }
}

impl Sessions for Postgres {
    type Asked = PostgresSession;

    async fn prove(
        connection: &mut Self::Connection,
        asked: &PostgresSession,
    ) -> Result<(), sqlx::Error> {
        let question = sqlx::AssertSqlSafe(asked.question());
        let mut found = Vec::new();
        for row in connection.fetch_all(question).await? {
            // The answer of `set_config` has one column.
            if row.len() == 2 {
                found.push((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?));
            }
        }
        Ok(asked.judge(&found)?)
    }

    fn also_without_writes(asked: &PostgresSession) -> PostgresSession {
        PostgresSession {
            must_take_writes: false,
            ..asked.clone()
        }
    }
}

/// What a connection to an SQLite file must be.
#[derive(Clone, Debug)]
pub(crate) struct SqliteSession {
    pub(crate) access: Access,
    pub(crate) busy_timeout: Duration,
    /// The files that it must be a connection to. `None` only for the first, which makes them.
    pub(crate) keeper: Option<Arc<Keeper>>,
}

const NOT_KEPT: &str = "this build of SQLite, or its file system, does not keep to it";

impl Sessions for Sqlite {
    type Asked = SqliteSession;

    async fn prove(
        connection: &mut Self::Connection,
        asked: &SqliteSession,
    ) -> Result<(), sqlx::Error> {
        let busy_timeout = asked.busy_timeout.as_millis().to_string();
        let mut expected = vec![
            // Without the log, a reader has no snapshot beside a writer.
            ("journal_mode", "wal"),
            ("foreign_keys", "1"),
            ("ignore_check_constraints", "0"),
            ("read_uncommitted", "0"),
            ("busy_timeout", busy_timeout.as_str()),
        ];
        expected.push(match asked.access {
            Access::ReadOnly => ("query_only", "1"),
            // FULL: a commit that was acknowledged survives a power cut. With NORMAL it need not, on a log.
            Access::ReadWrite => ("synchronous", "2"),
        });
        let question: String = expected
            .iter()
            .map(|(name, _)| format!("PRAGMA {name}; "))
            .collect();
        let rows = connection.fetch_all(sqlx::AssertSqlSafe(question)).await?;
        // A setting that this SQLite does not know has no row, and then there are too few.
        if rows.len() != expected.len() {
            let error = SessionError::not_as_asked("PRAGMA", "all known", "unknown", NOT_KEPT);
            return Err(error.into());
        }
        for ((name, wanted), row) in expected.into_iter().zip(rows) {
            let found: String = row.try_get_unchecked(0)?;
            if found != wanted {
                return Err(SessionError::not_as_asked(name, wanted, &found, NOT_KEPT).into());
            }
        }
        // The path may lead elsewhere since the connection was begun.
        Self::refuse(asked)
    }

    fn refuse(asked: &SqliteSession) -> Result<(), sqlx::Error> {
        match &asked.keeper {
            Some(keeper) => Ok(keeper.files.look()?),
            None => Ok(()),
        }
    }

    fn also_without_writes(asked: &SqliteSession) -> SqliteSession {
        asked.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(access: Access) -> PostgresSession {
        PostgresSession {
            access,
            must_take_writes: true,
            isolation: IsolationLevel::RepeatableRead,
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(60),
        }
    }

    /// What a server would answer to a session that is as asked.
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
