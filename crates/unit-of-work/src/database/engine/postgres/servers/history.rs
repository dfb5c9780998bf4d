//! The line of history that a cluster is on.
//!
//! A standby that is promoted begins a new timeline, with a larger number. An old primary that comes back, or that never heard of the
//! failover, still has the old number: what is written to it is lost, and what is read from it is stale.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use super::super::backend::Backend;
use crate::database::engine::session::SessionError;

/// The newest line of history that was seen.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The cluster's system identifier, which all of its servers have.
    system: OnceLock<String>,
    /// The largest timeline of a primary; 0 before the first.
    timeline: AtomicU32,
}

impl History {
    /// Takes note of a new connection's server.
    ///
    /// # Errors
    /// [`SessionError::OtherCluster`] if it belongs to another cluster, and [`SessionError::TakesNoWrites`] if it is a primary that
    /// another one has replaced.
    pub(super) fn admit(&self, backend: &Backend) -> Result<(), SessionError> {
        if let Some(found) = &backend.system {
            let known = self.system.get_or_init(|| found.clone());
            if known != found {
                return Err(SessionError::OtherCluster {
                    found: found.clone(),
                    known: known.clone(),
                });
            }
        }
        let Some(timeline) = timeline(backend) else {
            return Ok(());
        };
        let before = self.timeline.fetch_max(timeline, Relaxed);
        if timeline < before {
            return Err(SessionError::TakesNoWrites(
                "the server is an old primary, and another one has taken over since",
            ));
        }
        if timeline > before && before != 0 {
            tracing::info!(
                timeline,
                "another server of the database is the primary now"
            );
        }
        Ok(())
    }

    /// Whether the server at the other end is on an older line.
    pub(super) fn is_past(&self, backend: &Backend) -> bool {
        timeline(backend).is_some_and(|timeline| timeline < self.timeline.load(Relaxed))
    }
}

/// The timeline of a primary.
fn timeline(backend: &Backend) -> Option<u32> {
    backend.server.as_ref().map(|server| server.timeline)
}

#[cfg(test)]
mod tests {
    use super::{super::super::backend::Server, *};

    fn primary(system: &str, timeline: u32) -> Backend {
        Backend {
            system: Some(system.to_owned()),
            server: Some(Server {
                system: system.to_owned(),
                started: "1".to_owned(),
                timeline,
            }),
            ..Backend::default()
        }
    }

    #[test]
    fn an_older_line_is_refused_once_a_newer_one_was_seen() {
        let history = History::default();
        let (first, second) = (primary("7", 2), primary("7", 3));
        assert_eq!(history.admit(&first), Ok(()));
        assert_eq!(history.admit(&first), Ok(()));
        assert!(!history.is_past(&first));
        assert_eq!(history.admit(&second), Ok(()));
        assert!(history.is_past(&first));
        assert!(!history.is_past(&second));
        assert!(matches!(
            history.admit(&first),
            Err(SessionError::TakesNoWrites(_))
        ));
    }

    /// A standby does not say its timeline, and may not say its system.
    #[test]
    fn a_server_that_does_not_tell_is_not_judged() {
        let history = History::default();
        assert_eq!(history.admit(&primary("7", 2)), Ok(()));
        assert_eq!(history.admit(&Backend::default()), Ok(()));
        assert!(!history.is_past(&Backend::default()));
    }

    #[test]
    fn another_cluster_is_refused() {
        let history = History::default();
        assert_eq!(history.admit(&primary("7", 2)), Ok(()));
        assert!(matches!(
            history.admit(&primary("8", 3)),
            Err(SessionError::OtherCluster { .. })
        ));
        assert!(!history.is_past(&primary("7", 2)));
    }
}
