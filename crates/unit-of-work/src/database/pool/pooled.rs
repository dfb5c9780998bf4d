//! A connection in use.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use deadpool::managed::Object;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::connector::{Connector, Open};
use crate::database::engine::Engine;

const ABSENT: &str =
    "whoever was lent it gives it back first, and it is taken only when this is dropped";

/// A connection that goes back to its pool when it is dropped, or is closed if it is in doubt.
pub(crate) struct Pooled<DB: Engine> {
    /// Taken only when this is dropped.
    pub(super) connection: Option<Object<Connector<DB>>>,
    pub(super) in_doubt: bool,
    /// Whether the unit has changed the session, which the next unit must not see.
    pub(super) is_changed: bool,
    /// The place of its user among those that may be so many at once. Boxed, as it is rare.
    pub(super) place: Option<Box<OwnedSemaphorePermit>>,
    pub(super) _used: TaskTrackerToken,
}

impl<DB: Engine> Pooled<DB> {
    /// Marks the connection as in doubt, or not: something is under way or open on it. If it is dropped in doubt, it is closed without a
    /// message to the server, which rolls back the open transaction.
    pub(crate) fn in_doubt(&mut self, in_doubt: bool) {
        self.in_doubt = in_doubt;
    }

    /// The other end of the connection.
    pub(crate) fn peer(&self) -> &DB::Peer {
        match &self.connection {
            Some(open) => &open.peer,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }

    /// The connection, and what is known of its database.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "only SQLite's hidden rows ask for the schema")
    )]
    pub(crate) fn with_known(&mut self) -> (&mut DB::Connection, &mut DB::Known) {
        let open = self.connection.as_deref_mut();
        match open {
            Some(Open {
                connection: Some(connection),
                known,
                ..
            }) => (connection, known),
            _ => unreachable!("{ABSENT}"),
        }
    }

    /// Lends the connection out, to somebody who gives it back. Until then it must not be used.
    #[cfg(feature = "mariadb")]
    pub(crate) fn lend(&mut self) -> DB::Connection {
        let lent = self
            .connection
            .as_mut()
            .and_then(|open| open.connection.take());
        lent.unwrap_or_else(|| unreachable!("{ABSENT}"))
    }

    pub(crate) fn give_back(&mut self, connection: DB::Connection) {
        if let Some(open) = &mut self.connection {
            open.connection = Some(connection);
        }
    }

    /// Notes that its server no longer accepts writes. The connection is closed when it is dropped, and all idle ones with it, so that new
    /// ones are made.
    pub(crate) fn leave_server(&mut self) {
        self.is_changed = true;
        if let Some(pool) = self.connection.as_ref().and_then(Object::pool) {
            pool.retain(|_, _| false);
        }
    }

    /// Notes that its session was changed: it is closed when it is dropped. `DISCARD ALL` would restore the session, but also remove the
    /// prepared statements that the driver relies on.
    pub(crate) fn close_after_use(&mut self) {
        self.is_changed = true;
    }

    /// Keeps a place until it is dropped.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "SQLite has no replicas")
    )]
    pub(crate) fn keeps(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(Box::new(place));
    }

    /// Whether its session was changed.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }
}

impl<DB: Engine> Drop for Pooled<DB> {
    fn drop(&mut self) {
        if (self.in_doubt || self.is_changed)
            && let Some(connection) = self.connection.take()
        {
            drop(Object::take(connection));
        }
    }
}

impl<DB: Engine> Deref for Pooled<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match self
            .connection
            .as_ref()
            .and_then(|open| open.connection.as_ref())
        {
            Some(connection) => connection,
            None => unreachable!("{ABSENT}"),
        }
    }
}

impl<DB: Engine> DerefMut for Pooled<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match self
            .connection
            .as_mut()
            .and_then(|open| open.connection.as_mut())
        {
            Some(connection) => connection,
            None => unreachable!("{ABSENT}"),
        }
    }
}

impl<DB: Engine> fmt::Debug for Pooled<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pooled").finish_non_exhaustive()
    }
}
