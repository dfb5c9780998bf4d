//! A connection that is in use.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use deadpool::managed::Object;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::connector::Connector;
use crate::database::engine::Engine;

/// A connection that goes back to its pool when it is dropped, or is closed if it is in doubt.
pub(crate) struct Pooled<DB: Engine> {
    /// Taken only when this is dropped.
    pub(super) connection: Option<Object<Connector<DB>>>,
    pub(super) in_doubt: bool,
    /// Something of one unit would stay for the next.
    pub(super) is_changed: bool,
    pub(super) _used: TaskTrackerToken,
}

impl<DB: Engine> Pooled<DB> {
    /// Says whether the connection is in doubt: something is under way or open on it, and it must not be used again as it
    /// is. Dropped so, it is closed without a word to the server, which rolls back what was open.
    pub(crate) fn in_doubt(&mut self, in_doubt: bool) {
        self.in_doubt = in_doubt;
    }

    /// What is at the other end.
    pub(crate) fn peer(&self) -> &DB::Peer {
        match &self.connection {
            Some(open) => &open.peer,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }

    /// Says that its server takes no writes any more: it is closed when it is dropped, and those that are idle with it, so
    /// that the next ones are made anew.
    pub(crate) fn leave_server(&mut self) {
        self.is_changed = true;
        if let Some(pool) = self.connection.as_ref().and_then(Object::pool) {
            pool.retain(|_, _| false);
        }
    }

    /// Says that its session is not what it was: it is closed when it is dropped. To put the session back
    /// (`DISCARD ALL`) would take the prepared statements that the driver counts on.
    pub(crate) fn close_after_use(&mut self) {
        self.is_changed = true;
    }

    /// Whether it is closed after this use.
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
        match &self.connection {
            Some(open) => &open.connection,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }
}

impl<DB: Engine> DerefMut for Pooled<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match &mut self.connection {
            Some(open) => &mut open.connection,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }
}

impl<DB: Engine> fmt::Debug for Pooled<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pooled").finish_non_exhaustive()
    }
}
