//! The required properties of a session on MariaDB, how they are set, and their check.
//!
//! MariaDB knows no start-up options. So each new connection is sent one `SET` of everything, before anybody else has it, and is asked for
//! all of it afterwards.

use std::time::Duration;

use sea_orm::IsolationLevel;
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use crate::{
    Access,
    database::{after_connect::AfterConnect, engine::session::SessionError},
};

/// The required properties of a session on MariaDB.
#[derive(Clone, Debug)]
pub(crate) struct MariaDbSession {
    pub(crate) access: Access,
    pub(crate) role: Role,
    /// Whether the server must take writes.
    pub(crate) takes_writes: bool,
    pub(crate) isolation: IsolationLevel,
    pub(crate) statement_timeout: Duration,
    pub(crate) idle_in_transaction_timeout: Duration,
    /// What waits for all that the cluster has committed before, as `wsrep_sync_wait` has it. For nodes of a cluster.
    pub(crate) sync_wait: u8,
    /// The application's hook for new connections, and what it is told of them.
    pub(crate) hook: Option<(AfterConnect, Access)>,
}

/// Which node of a cluster a connection is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Any that is ready.
    Any,
    /// The one that writes.
    Writer,
}

/// Literals end where our reader of SQL sees them end (no ANSI_QUOTES, no NO_BACKSLASH_ESCAPES), `||` concatenates, and a value that does
/// not fit is an error. In the order in which MariaDB shows them.
const SQL_MODE: &str = "PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// A year: the longest time-out that MariaDB accepts.
const LONGEST: Duration = Duration::from_secs(31_536_000);

const NEEDED: &str = "MariaDB 10.11.8 or later";

/// Whether the server is a node of a cluster. A server that is built without Galera does not know the variable.
const IN_A_CLUSTER: &str =
    "SELECT GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'WSREP_ON'";

/// What a session of a node has, in the order of the names.
const ON_A_NODE: &str = "SELECT GROUP_CONCAT(SESSION_VALUE ORDER BY VARIABLE_NAME) FROM information_schema.SYSTEM_VARIABLES WHERE \
     VARIABLE_NAME IN ('WSREP_DIRTY_READS', 'WSREP_ON', 'WSREP_SYNC_WAIT', 'WSREP_TRX_FRAGMENT_SIZE')";

pub(super) const READ_ONLY: &str = "`read_only` is on for the server";

const CHANGED: &str = "something between here and the server, or the server itself, does not keep to what a session sets";

/// `max_statement_time`, in seconds with six digits behind the point. 0 would mean no limit.
pub(super) fn statement_limit(limit: Duration) -> String {
    let limit = limit.clamp(Duration::from_millis(1), LONGEST);
    format!("{}.{:06}", limit.as_secs(), limit.subsec_micros())
}

/// `innodb_snapshot_isolation`: at REPEATABLE READ, nothing is overwritten that was not seen. READ COMMITTED sees what is there when it has
/// the lock, and without this, a statement that reads anything else beside the rows that it locks would fail whenever it waits for one.
pub(super) const fn snapshot_isolation(level: IsolationLevel) -> u8 {
    match level {
        IsolationLevel::ReadCommitted | IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::RepeatableRead | IsolationLevel::Serializable => 1,
    }
}

/// `idle_transaction_timeout`, in whole seconds. 0 would mean no limit.
pub(super) fn idle_limit(limit: Duration) -> u64 {
    let limit = limit.min(LONGEST);
    limit
        .as_millis()
        .div_ceil(1000)
        .max(1)
        .try_into()
        .unwrap_or(1)
}

impl MariaDbSession {
    /// The settings, with the values that MariaDB shows.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let isolation = self.isolation.to_string().replace(' ', "-");
        let is_reader = self.access == Access::ReadOnly;
        let mut settings = vec![
            ("tx_isolation", isolation),
            // A reader's DDL is refused by this, too.
            ("tx_read_only", u8::from(is_reader).to_string()),
            (
                "max_statement_time",
                statement_limit(self.statement_timeout),
            ),
            (
                "idle_transaction_timeout",
                idle_limit(self.idle_in_transaction_timeout).to_string(),
            ),
        ];
        let fixed = [
            ("autocommit", "1"),
            ("completion_type", "NO_CHAIN"),
            ("sql_mode", SQL_MODE),
            ("time_zone", "+00:00"),
            ("foreign_key_checks", "1"),
            ("unique_checks", "1"),
            ("check_constraint_checks", "1"),
            // With smaller ones, rows are left out, without an error.
            ("sql_select_limit", "18446744073709551615"),
            ("max_recursive_iterations", "4294967295"),
            ("sql_auto_is_null", "0"),
            // The names of constraints are read from messages.
            ("lc_messages", "en_US"),
            ("default_storage_engine", "InnoDB"),
        ];
        settings.extend(fixed.map(|(name, value)| (name, value.to_owned())));
        settings.push((
            "innodb_snapshot_isolation",
            snapshot_isolation(self.isolation).to_string(),
        ));
        settings
    }

    /// The settings that must hold: those that are set by their names, and those of `SET NAMES`.
    fn expected(&self) -> Vec<(&'static str, String)> {
        let mut expected = self.settings();
        for name in [
            "character_set_client",
            "character_set_connection",
            "character_set_results",
        ] {
            expected.push((name, "utf8mb4".to_owned()));
        }
        expected
    }

    /// The settings of a session that a transaction may have changed.
    pub(super) fn limits(&self) -> String {
        format!(
            "SET max_statement_time = {}, idle_transaction_timeout = {}, innodb_snapshot_isolation = {}",
            statement_limit(self.statement_timeout),
            idle_limit(self.idle_in_transaction_timeout),
            snapshot_isolation(self.isolation)
        )
    }

    /// Sets everything on a new connection, in one round trip. Returns whether the server is a node of a cluster.
    ///
    /// # Errors
    /// [`SessionError`] for a server of another kind, and those of the connection.
    pub(super) async fn set(&self, connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
        const UNKNOWN_SETTING: u16 = 1193;
        let mut sql = "SET NAMES utf8mb4".to_owned();
        for (name, value) in self.settings() {
            let is_number = value
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            let quote = if is_number { "" } else { "'" };
            sql.push_str(&format!(", {name} = {quote}{value}{quote}"));
        }
        sql.push_str("; ");
        sql.push_str(IN_A_CLUSTER);
        match connection.fetch_all(AssertSqlSafe(sql)).await {
            Ok(rows) => {
                let is_on = rows
                    .first()
                    .map(|row| row.try_get_unchecked::<String, _>(0));
                Ok(is_on.transpose()?.is_some_and(|is_on| is_on != "OFF"))
            }
            Err(sqlx::Error::Database(error))
                if error
                    .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                    .is_some_and(|error| error.number() == UNKNOWN_SETTING) =>
            {
                let row = connection.fetch_one("SELECT VERSION()").await?;
                Err(wrong_version(&row.try_get_unchecked::<String, _>(0)?).into())
            }
            Err(error) => Err(error),
        }
    }

    /// Sets what a node of a cluster has, too.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn set_on_node(
        &self,
        connection: &mut MySqlConnection,
    ) -> Result<(), sqlx::Error> {
        let sql = format!(
            "SET wsrep_dirty_reads = 0, wsrep_trx_fragment_size = 0, wsrep_sync_wait = {}",
            self.sync_wait
        );
        connection.execute(AssertSqlSafe(sql)).await.map(drop)
    }

    /// Checks a new connection, in one round trip.
    ///
    /// # Errors
    /// [`SessionError`] if a property is missing, and errors of the question itself.
    pub(super) async fn prove(&self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let expected = self.expected();
        let mut question =
            format!("SELECT VERSION(), @@read_only, ({IN_A_CLUSTER}), ({ON_A_NODE})");
        for (name, _) in &expected {
            question.push_str(&format!(", @@{name}"));
        }
        let row = connection.fetch_one(AssertSqlSafe(question)).await?;
        let mut found = Vec::new();
        for at in 0..row.len() {
            found.push(
                row.try_get_unchecked::<Option<String>, _>(at)?
                    .unwrap_or_default(),
            );
        }
        let has_hook = self.hook.is_some();
        Ok(self
            .judge(&expected, &found)
            .map_err(|error| error.with_hook(has_hook))?)
    }

    fn judge(
        &self,
        expected: &[(&'static str, String)],
        found: &[String],
    ) -> Result<(), SessionError> {
        let [version, read_only, in_a_cluster, on_a_node, found @ ..] = found else {
            return Err(wrong_version("unknown"));
        };
        if !is_usable(version) {
            return Err(wrong_version(version));
        }
        let asked = format!("OFF,ON,{},0", self.sync_wait);
        if !matches!(in_a_cluster.as_str(), "" | "OFF") && *on_a_node != asked {
            return Err(SessionError::not_as_asked(
                "wsrep_dirty_reads, wsrep_on, wsrep_sync_wait, wsrep_trx_fragment_size",
                &asked,
                on_a_node,
                CHANGED,
            ));
        }
        for (at, (name, asked)) in expected.iter().enumerate() {
            let found = found.get(at).map_or("unknown", String::as_str);
            if found != asked {
                return Err(SessionError::not_as_asked(name, asked, found, CHANGED));
            }
        }
        if self.takes_writes && read_only != "0" {
            return Err(SessionError::TakesNoWrites(READ_ONLY));
        }
        Ok(())
    }
}

/// Whether a server of this version has what a unit of work needs: `10.11.19-MariaDB-…`.
fn is_usable(version: &str) -> bool {
    let mut parts = version
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0_u32));
    let mut next = || parts.next().unwrap_or(0);
    version.contains("MariaDB") && (next(), next(), next()) >= (10, 11, 8)
}

fn wrong_version(found: &str) -> SessionError {
    SessionError::not_as_asked(
        "version",
        NEEDED,
        found,
        "what a unit of work promises rests on settings that another server does not have",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(access: Access) -> MariaDbSession {
        MariaDbSession {
            access,
            role: Role::Any,
            sync_wait: 1,
            takes_writes: access == Access::ReadWrite,
            isolation: IsolationLevel::RepeatableRead,
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(60),
            hook: None,
        }
    }

    /// Each setting matters: with any one of them changed, or not known, the session is refused.
    #[test]
    fn every_setting_is_looked_at() {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let session = session(access);
            let expected = session.expected();
            let on_a_node = "OFF,ON,1,0";
            let mut kept = ["10.11.19-MariaDB", "0", "ON", on_a_node]
                .map(str::to_owned)
                .to_vec();
            kept.extend(expected.iter().map(|(_, value)| value.clone()));
            assert_eq!(session.judge(&expected, &kept), Ok(()));
            for at in 0..kept.len() {
                if at == 1 && access == Access::ReadOnly {
                    continue;
                }
                if at == 2 {
                    // What is said of nodes is not asked of others.
                    let mut other = kept.clone();
                    (other[2], other[3]) = ("OFF".to_owned(), "OFF,OFF,0,0".to_owned());
                    assert_eq!(session.judge(&expected, &other), Ok(()));
                    continue;
                }
                let mut changed = kept.clone();
                changed[at] = "changed".to_owned();
                assert!(session.judge(&expected, &changed).is_err(), "{at}");
                changed.truncate(at);
                assert!(session.judge(&expected, &changed).is_err(), "{at}");
            }
        }
    }

    #[test]
    fn only_servers_that_know_the_settings_are_used() {
        for (version, is) in [
            ("10.11.19-MariaDB-0+deb12u1", true),
            ("11.4.2-MariaDB", true),
            ("10.11.7-MariaDB", false),
            ("10.6.18-MariaDB-log", false),
            ("8.0.36", false),
            ("", false),
        ] {
            assert_eq!(is_usable(version), is, "{version}");
        }
    }

    #[test]
    fn limits_are_never_none() {
        assert_eq!(statement_limit(Duration::ZERO), "0.001000");
        assert_eq!(statement_limit(Duration::from_millis(1_500)), "1.500000");
        assert_eq!(statement_limit(Duration::MAX), "31536000.000000");
        assert_eq!(idle_limit(Duration::ZERO), 1);
        assert_eq!(idle_limit(Duration::from_millis(1_001)), 2);
        assert_eq!(idle_limit(Duration::MAX), 31_536_000);
    }
}
