//! ROLLBACK, and stopping of abandoned statements.
//!
//! An operation that ends early (its client is gone, its deadline has passed) may leave a statement under way, or a connection that has
//! gone silent. Neither may keep its locks or its place in the pool. First the statement is stopped, by an order on another connection. If
//! ROLLBACK is still not answered, the backend is ended.

use std::{pin::Pin, time::Duration};

use futures_util::future::join;
use tokio::{
    sync::MutexGuard,
    time::{Instant, timeout, timeout_at},
};

use super::{Ending, State, UnitOfWork, commit::is_refusal};
use crate::{
    Access,
    database::{connection::Connection, engine::Peer},
};

/// How long an abandoned statement may take to end by itself, as most do, before it is stopped.
const STOP_AFTER: Duration = Duration::from_millis(20);

/// How long ROLLBACK may take before the backend is ended. That only costs a new connection.
pub(super) const END_AFTER: Duration = Duration::from_secs(1);

/// How often to check whether a statement of a handle that outlives its operation has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl UnitOfWork {
    /// Takes the transaction out of the unit, for good. A statement of a handle that outlives its operation is waited for, or stopped if
    /// everything is rolled back.
    pub(super) async fn take(&self, rolls_back: bool) -> Option<Connection> {
        let mut state = match self.inner.state.try_lock() {
            Ok(state) => state,
            // Boxed: it is rare.
            Err(_) => Box::pin(self.outwait(rolls_back)).await,
        };
        match std::mem::replace(&mut *state, State::Finished) {
            State::Open(connection) | State::WithoutTransaction(connection) => Some(connection),
            State::Idle | State::Spent | State::Finished => None,
        }
    }

    async fn outwait(&self, rolls_back: bool) -> MutexGuard<'_, State> {
        let mut state = std::pin::pin!(async {
            if self.end_begun(None).await {
                self.abandoned();
            }
            self.inner.state.lock().await
        });
        if let Ok(state) = timeout(STOP_AFTER, state.as_mut()).await {
            return state;
        }
        loop {
            let rolls_back = rolls_back
                || matches!(self.inner.ending.get(), Some(ending) if *ending != Ending::Commit);
            let peer = if rolls_back { self.peer().take() } else { None };
            if let Some(peer) = peer {
                return join(state, self.stop(&peer)).await.0;
            }
            if let Ok(state) = timeout(LOOK_AGAIN, state.as_mut()).await {
                return state;
            }
        }
    }

    /// Stops the statement under way, and remembers whether that is certain. The connection must not leave this unit meanwhile.
    async fn stop(&self, peer: &Peer) {
        let is_certain = self.inner.database.opened().stop(peer).await;
        self.inner.stopped.get_or_init(|| is_certain);
    }

    /// Rolls back and returns the connection to its pool, or closes it if that takes too long.
    pub(super) async fn roll_back(&self, mut connection: Connection) {
        match self.undo(&mut connection, Undo::Transaction).await {
            Ok(()) => {
                self.saw(&connection);
                drop(connection);
            }
            Err(_) => {
                let latest = self.reading().and_then(|_| connection.latest());
                self.inner.database.give_up(connection);
                if self.access() == Access::ReadWrite && self.reading().is_some() {
                    // What was answered rests on what was read: a stored response, for one. Boxed: it is rare.
                    Box::pin(self.see_primary(latest)).await;
                }
            }
        }
        self.inner.stats.held();
    }

    /// Undoes what this unit did, and stops its statement under way.
    ///
    /// # Errors
    /// If that failed or was not answered in time. Then the connection must be closed.
    pub(super) async fn undo(
        &self,
        connection: &mut Connection,
        what: Undo,
    ) -> Result<(), sqlx::Error> {
        let limit = Instant::now() + self.inner.database.finish_timeout();
        let is_busy = connection.is_busy();
        let peer = connection.peer();
        let patience = if is_busy {
            limit.min(Instant::now() + STOP_AFTER)
        } else {
            patience_with(&peer, limit)
        };
        let ended = {
            let mut rolling = std::pin::pin!(what.of(connection));
            match timeout_at(patience, rolling.as_mut()).await {
                Ok(ended) => ended,
                // Boxed: they are rare.
                Err(_) if is_busy => Box::pin(self.hurry(&peer, rolling, limit)).await,
                Err(_) => Err(late()),
            }
        };
        let ended = match (ended, self.inner.stopped.get()) {
            (Ok(()), None) => Ok(()),
            // A late order must not stop the next statement on this connection.
            (Ok(()), Some(true)) => Box::pin(timeout_at(limit, connection.settle()))
                .await
                .unwrap_or_else(|_| Err(late())),
            (Ok(()), Some(false)) => Err(late()),
            (error, _) => error,
        };
        peer.stop_no_more();
        ended
    }

    /// Stops the statement that delays ROLLBACK.
    async fn hurry(
        &self,
        peer: &Peer,
        rolling: Pin<&mut impl Future<Output = Result<(), sqlx::Error>>>,
        limit: Instant,
    ) -> Result<(), sqlx::Error> {
        let limit = patience_with(peer, limit);
        match join(timeout_at(limit, rolling), self.stop(peer)).await.0 {
            Ok(ended) => ended,
            Err(_) => Err(late()),
        }
    }
}

/// How long to wait for ROLLBACK: not long, if the other end can be ended.
fn patience_with(peer: &Peer, limit: Instant) -> Instant {
    if peer.can_be_ended() {
        limit.min(Instant::now() + END_AFTER)
    } else {
        limit
    }
}

/// What is undone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undo {
    /// All of the transaction.
    Transaction,
    /// What the unit did in the transaction of its group.
    Member,
}

impl Undo {
    async fn of(self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        match self {
            Self::Member => connection.undo_member().await,
            Self::Transaction => match connection.rollback().await {
                // This is the error of an abandoned statement, which nobody has read yet. The rollback itself comes next.
                Err(error) if is_refusal(&error) => connection.rollback().await,
                ended => ended,
            },
        }
    }
}

fn late() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
