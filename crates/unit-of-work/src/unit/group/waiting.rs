//! The units that wait for the writer and may share a COMMIT, in order.

use std::{
    collections::VecDeque,
    fmt, pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
};

use futures_util::poll;
use tokio::sync::oneshot;

use super::{Inner, UnitOfWork, named_locks::Given, sharing::pass_on};
use crate::{
    ConsistencyToken,
    database::{begin::Begin, connection::Connection},
};

/// The units that wait for the writer of one database, and may be handed an open transaction.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<VecDeque<Waiter>>);

/// A unit that waits.
pub(in crate::unit) struct Waiter {
    pub(super) unit: Weak<Inner>,
    handed: oneshot::Sender<Handed>,
}

/// What a unit begins on.
pub(in crate::unit) enum Turn {
    /// A connection of its own, on which nothing has begun.
    Own(Connection),
    /// A transaction that others have begun.
    Shared(Handed),
}

impl Turn {
    pub(in crate::unit) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Checks whether the server at the other end goes on from where the token was given. A query was sent to one that does.
    ///
    /// # Errors
    /// As [`Connection::honours`].
    pub(in crate::unit) fn honours(&self, token: &ConsistencyToken) -> Result<(), sqlx::Error> {
        let connection = match self {
            Self::Own(connection) => Some(connection),
            Self::Shared(Handed(connection)) => connection.as_ref(),
        };
        connection.map_or(Ok(()), |connection| connection.honours(token))
    }
}

/// A transaction on its way to the unit that gets it. If it is dropped on the way, it is handed on or committed.
pub(in crate::unit) struct Handed(Option<Connection>);

impl Handed {
    /// Takes the connection, once.
    pub(in crate::unit) fn into_connection(mut self) -> Option<Connection> {
        self.0.take()
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            pass_on(connection, None);
        }
    }
}

impl Waiting {
    /// Waits for a connection, or for a transaction that is handed over, whichever comes first. A unit that need not wait is never in the
    /// queue.
    ///
    /// # Cancel safety
    /// Cancel safe: a transaction that was handed over meanwhile is handed on.
    async fn turn<E>(
        &self,
        unit: &UnitOfWork,
        acquiring: impl Future<Output = Result<Connection, E>>,
    ) -> Result<Turn, E> {
        let mut acquiring = pin::pin!(acquiring);
        if let Poll::Ready(acquired) = poll!(acquiring.as_mut()) {
            return acquired.map(Turn::Own);
        }
        let handed = self.queue_up(unit);
        tokio::select! {
            biased;
            Ok(handed) = handed => Ok(Turn::Shared(handed)),
            acquired = acquiring => acquired.map(Turn::Own),
        }
    }

    fn queue_up(&self, unit: &UnitOfWork) -> oneshot::Receiver<Handed> {
        let (waiter, receiver) = Waiter::new(unit);
        let mut queue = self.queue();
        // Units that have given up would otherwise stay until a transaction is handed over.
        while queue.front().is_some_and(Waiter::has_gone) {
            queue.pop_front();
        }
        queue.push_back(waiter);
        receiver
    }

    /// Takes the first unit that still waits out of the queue.
    pub(in crate::unit) fn next(&self) -> Option<Waiter> {
        let mut queue = self.queue();
        if queue.is_empty() {
            return None;
        }
        let gone = queue.iter().take_while(|waiter| waiter.has_gone()).count();
        queue.drain(..gone);
        queue.pop_front()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiter>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    pub(super) fn new(unit: &UnitOfWork) -> (Self, oneshot::Receiver<Handed>) {
        let (handed, receiver) = oneshot::channel();
        let waiter = Self {
            unit: Arc::downgrade(&unit.inner),
            handed,
        };
        (waiter, receiver)
    }

    fn has_gone(&self) -> bool {
        self.handed.is_closed()
    }

    /// Hands over a transaction; returns it if the unit has gone away meanwhile.
    pub(super) fn hand(self, connection: Connection) -> Option<Connection> {
        let handed = Handed(Some(connection));
        self.handed.send(handed).err()?.into_connection()
    }
}

impl UnitOfWork {
    /// Waits for a connection, or for a transaction that is handed over. A unit that shares no COMMIT waits for a connection alone.
    ///
    /// # Cancel safety
    /// Cancel safe: a transaction that was handed over meanwhile is handed on.
    pub(in crate::unit) async fn turn_of<E>(
        &self,
        begin: &Begin,
        acquiring: impl Future<Output = Result<Connection, E>>,
    ) -> Result<Turn, E> {
        let database = self.database();
        if !self.inner.terms.shares_commit {
            return acquiring.await.map(Turn::Own);
        }
        if database.has_one_writer() {
            return database.waiting().turn(self, acquiring).await;
        }
        let Some(names) = self.names_to_share(begin) else {
            return acquiring.await.map(Turn::Own);
        };
        match database.named_locks().wait(self, names).await {
            Given::Transaction(handed) => Ok(Turn::Shared(*handed)),
            Given::Names(held) => {
                let mut connection = acquiring.await?;
                connection.holds(held);
                Ok(Turn::Own(connection))
            }
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Waiting")
    }
}
