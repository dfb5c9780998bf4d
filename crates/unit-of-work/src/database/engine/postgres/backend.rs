//! The PostgreSQL process at the other end of a connection. It is asked who it is once, when the connection is made, so that it costs
//! an operation nothing.
//!
//! When the connection is lost, the process can still be named on another connection: to cancel its statement, to end it, or to learn
//! whether its transaction is over. Process ids are reused, so the time at which the process started is part of its name.

use std::sync::Arc;

use sqlx::{Executor as _, PgConnection, Row as _};

use crate::FailureKind;

/// A backend process of PostgreSQL, and the server that it belongs to. Empty where the server does not say.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// `pg_backend_pid()`.
    pub(crate) pid: String,
    /// When it started: microseconds since 1970, by the server's clock.
    pub(crate) started: String,
    /// `None` where it is not known: then nothing can be concluded from a row that is not there.
    pub(crate) server: Option<Server>,
    /// The marker table with its schema, where this session may use it.
    pub(crate) markers: Option<String>,
}

/// One run of a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// `system_identifier`: the same for a primary and all of its standbys.
    pub(crate) system: String,
    /// When its first process started: microseconds since 1970. Another after each restart, and on each server.
    pub(crate) started: String,
    /// The line of history that it writes. A standby that is promoted begins a new one, with a larger number.
    pub(crate) timeline: u32,
}

/// How one run of a server stands to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is the same.
    Same,
    /// It has the earlier one's data, as far as that was kept: the server was restarted, or a standby was promoted.
    Successor,
    /// It may never have had the earlier one's data.
    Stranger,
}

impl Server {
    pub(crate) fn stands_to(&self, earlier: &Self) -> Standing {
        if self == earlier {
            Standing::Same
        } else if self.system == earlier.system && self.timeline >= earlier.timeline {
            // A smaller number is that of an old primary, which another has taken over from.
            Standing::Successor
        } else {
            Standing::Stranger
        }
    }
}

/// A timeline's number is the first eight digits of a WAL file's name. `pg_control` would be late: after a promotion it has
/// the old number until the first checkpoint.
const WHO: &str = "\
    SELECT pg_backend_pid()::text, \
           (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint::text \
            FROM pg_stat_get_activity(pg_backend_pid())), \
           (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text, \
           (SELECT system_identifier::text FROM pg_control_system()), \
           CASE WHEN pg_is_in_recovery() THEN NULL \
                ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END, \
           (SELECT format('%I.%I', n.nspname, c.relname) \
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.oid = to_regclass('unit_of_work_marker') \
              AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'SELECT'))";

impl Backend {
    /// Asks a new connection, in one round trip.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn introduce(connection: &mut PgConnection) -> Result<Arc<Self>, sqlx::Error> {
        let row = match connection.fetch_one(WHO).await {
            Ok(row) => row,
            Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {
                return Err(error);
            }
            // A server that does not tell is not one to refuse: what needs to know it does without.
            Err(error) => {
                tracing::debug!(%error, "the server does not say who it is");
                return Ok(Arc::default());
            }
        };
        let text = |column| row.try_get_unchecked::<Option<String>, usize>(column);
        let timeline = text(4)?.and_then(|digits| u32::from_str_radix(&digits, 16).ok());
        let server = match (text(3)?, text(2)?, timeline) {
            (Some(system), Some(started), Some(timeline)) => Some(Server {
                system,
                started,
                timeline,
            }),
            _ => None,
        };
        Ok(Arc::new(Self {
            pid: text(0)?.unwrap_or_default(),
            started: text(1)?.unwrap_or_default(),
            server,
            markers: text(5)?,
        }))
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
