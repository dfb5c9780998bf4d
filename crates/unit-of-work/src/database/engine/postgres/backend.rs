//! The PostgreSQL process at the other end of a connection. Its identity is asked once, when the connection is made, so that it costs an
//! operation nothing.
//!
//! If the connection is lost, the process can be named on another connection: to cancel its statement, to end it, or to find out whether
//! its transaction is over. Process ids are reused, so the start time of the process is part of its identity.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::{Executor as _, PgConnection, Row as _};

use crate::{ConsistencyToken, FailureKind, observe::server::NamedServer};

/// A backend process of PostgreSQL, and its server. Empty if the server does not tell.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// The server's place in the list of servers; those of replicas come after it.
    pub(crate) at: usize,
    /// `pg_backend_pid()`.
    pub(crate) pid: String,
    /// When the process started: microseconds since 1970, by the server's clock.
    pub(crate) started: String,
    /// `None` for a standby, and if it is not known. Then a missing row proves nothing.
    pub(crate) server: Option<Server>,
    /// `system_identifier`, of a standby too.
    pub(crate) system: Option<String>,
    pub(crate) is_standby: bool,
    /// Its name, if the database has several servers.
    pub(crate) named: Option<Arc<NamedServer>>,
    /// The marker table with its schema, if this session may use it.
    pub(crate) markers: Option<String>,
    /// What the server has, as far as it was asked on this connection. It stays so: a server that has replayed something keeps it for as
    /// long as the connection lasts.
    pub(super) proved: Mutex<Option<ConsistencyToken>>,
}

/// One run of a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// `system_identifier`: the same for a primary and all of its standbys.
    pub(crate) system: String,
    /// When its first process started: microseconds since 1970. It differs after each restart, and on each server.
    pub(crate) started: String,
    /// The number of its timeline. A standby that is promoted begins a new one, with a larger number.
    pub(crate) timeline: u32,
}

/// How one run of a server relates to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the same run.
    Same,
    /// It has the data that the earlier one kept: the server was restarted, or a standby was promoted.
    Successor,
    /// It may lack data of the earlier one.
    Stranger,
}

impl Server {
    pub(crate) fn stands_to(&self, earlier: &Self) -> Standing {
        if self == earlier {
            Standing::Same
        } else if self.system == earlier.system && self.timeline >= earlier.timeline {
            // A smaller number means an old primary, which another server has replaced.
            Standing::Successor
        } else {
            Standing::Stranger
        }
    }
}

/// The question to a new connection. The timeline is read from the first eight digits of a WAL file's name, since `pg_control` has the old
/// number until the first checkpoint after a promotion.
///
/// What is a matter of privileges is asked as the role that units have, and what is said of a process as the role that logged in: another
/// one may not see it.
const WHO: &str = "\
    SELECT format('%I.%I', n.nspname, c.relname) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.oid = to_regclass('unit_of_work_marker') \
      AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'SELECT'); \
    SET LOCAL ROLE NONE; \
    SELECT pg_backend_pid()::text, \
           (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint::text \
            FROM pg_stat_get_activity(pg_backend_pid())), \
           (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text, \
           (SELECT system_identifier::text FROM pg_control_system()), \
           CASE WHEN pg_is_in_recovery() THEN NULL \
                ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END, \
           pg_is_in_recovery()::text";

impl Backend {
    /// `system_identifier` as a number.
    pub(super) fn system_number(&self) -> Option<u64> {
        self.system.as_ref()?.parse().ok()
    }

    /// Whether the server was proved to have what the token stands for.
    pub(super) fn was_proved(&self, token: &ConsistencyToken) -> bool {
        self.proved().is_some_and(|proved| proved.includes(token))
    }

    /// Notes that the server has what the token stands for.
    pub(super) fn prove(&self, token: ConsistencyToken) {
        *self.proved() = Some(token);
    }

    /// The newest token that the server was proved to have.
    pub(super) fn newest_proved(&self) -> Option<ConsistencyToken> {
        *self.proved()
    }

    fn proved(&self) -> MutexGuard<'_, Option<ConsistencyToken>> {
        // Nothing can panic while the lock is held.
        self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks a new connection, in one round trip. `name` is the server's, where there are several.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn introduce(
        connection: &mut PgConnection,
        at: usize,
        name: Option<String>,
    ) -> Result<Self, sqlx::Error> {
        let unknown = Self {
            at,
            ..Self::default()
        };
        let rows = match connection.fetch_all(WHO).await {
            Ok(rows) => rows,
            Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {
                return Err(error);
            }
            // A server that does not tell is still usable: whatever needs its identity does without.
            Err(error) => {
                tracing::debug!(%error, "the server does not say who it is");
                return Ok(unknown);
            }
        };
        let (markers, row) = match rows.as_slice() {
            [markers, row] => (Some(markers), row),
            [row] => (None, row),
            _ => return Ok(unknown),
        };
        let text = |column| row.try_get_unchecked::<Option<String>, usize>(column);
        let timeline = text(4)?.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
        let system = text(3)?;
        let server = match (&system, text(2)?, timeline) {
            (Some(system), Some(started), Some(timeline)) => Some(Server {
                system: system.clone(),
                started,
                timeline,
            }),
            _ => None,
        };
        let is_standby = text(5)?.as_deref() == Some("true");
        Ok(Self {
            at,
            pid: text(0)?.unwrap_or_default(),
            started: text(1)?.unwrap_or_default(),
            server,
            system,
            is_standby,
            named: name.map(|name| Arc::new(NamedServer::new(name, is_standby))),
            markers: markers.map(|row| row.try_get_unchecked(0)).transpose()?,
            proved: Mutex::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(system: &str, started: &str, timeline: u32) -> Server {
        Server {
            system: system.to_owned(),
            started: started.to_owned(),
            timeline,
        }
    }

    #[test]
    fn servers_that_can_and_cannot_know() {
        let earlier = server("7", "100", 2);
        let cases = [
            ("the same run", server("7", "100", 2), Standing::Same),
            ("restarted", server("7", "200", 2), Standing::Successor),
            (
                "a promoted standby",
                server("7", "50", 3),
                Standing::Successor,
            ),
            ("an old primary", server("7", "50", 1), Standing::Stranger),
            ("another cluster", server("8", "200", 3), Standing::Stranger),
        ];
        for (name, other, expected) in cases {
            assert_eq!(other.stands_to(&earlier), expected, "{name}");
        }
    }
}
