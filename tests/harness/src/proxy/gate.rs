//! Holding one flight, or the answer to it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::timeout;

use super::Road;
use crate::PATIENCE;

pub(super) type Matcher = Box<dyn FnMut(&str) -> bool + Send>;

/// What is held: the flight, or the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Reply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No flight has matched.
    Armed,
    /// This connection's flight has matched and is on its way to the barrier.
    Taken {
        connection: usize,
    },
    /// This connection waits at the barrier.
    Reached {
        connection: usize,
    },
    Released,
}

/// The connection's side of a [`Gate`].
pub(super) struct Barrier {
    pub(super) side: Side,
    matcher: Mutex<Matcher>,
    phase: watch::Sender<Phase>,
}

impl Barrier {
    pub(super) fn new(side: Side, matcher: Matcher) -> Self {
        Self {
            side,
            matcher: Mutex::new(matcher),
            phase: watch::Sender::new(Phase::Armed),
        }
    }

    /// Whether the matcher accepts this flight.
    pub(super) fn stops(&self, text: &str) -> bool {
        let mut matcher = self.matcher.lock().unwrap_or_else(PoisonError::into_inner);
        matcher(text)
    }

    /// Notes whose flight matched.
    pub(super) fn take(&self, connection: usize) {
        self.advance(Phase::Taken { connection });
    }

    /// Reports the connection's arrival and waits for the release.
    pub(super) async fn wait(&self, connection: usize) {
        self.advance(Phase::Reached { connection });
        let mut phase = self.phase.subscribe();
        // The sender is a field of `self`, so it outlives the wait.
        let _ = phase.wait_for(|phase| *phase == Phase::Released).await;
    }

    fn advance(&self, next: Phase) {
        self.phase.send_if_modified(|phase| {
            let moves = *phase != Phase::Released;
            if moves {
                *phase = next;
            }
            moves
        });
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("side", &self.side)
            .field("phase", &*self.phase.borrow())
            .finish_non_exhaustive()
    }
}

/// One flight, or the answer to it, that a [`WireProxy`](super::WireProxy) holds. Dropping it lets go.
#[derive(Debug)]
#[must_use = "a gate that is dropped holds nothing"]
pub struct Gate {
    barrier: Arc<Barrier>,
    road: Arc<Road>,
    cut: bool,
}

impl Gate {
    pub(super) fn new(barrier: Arc<Barrier>, road: Arc<Road>) -> Self {
        Self {
            barrier,
            road,
            cut: false,
        }
    }

    /// Waits until a flight is held: on [`hold`](super::WireProxy::hold) once the client has sent all of it, on
    /// [`hold_reply`](super::WireProxy::hold_reply) once the server has answered all of it, or hung up.
    ///
    /// # Panics
    ///
    /// When nothing is held within [`PATIENCE`].
    pub async fn reached(&self) {
        let mut phase = self.barrier.phase.subscribe();
        let reached = phase.wait_for(|phase| matches!(phase, Phase::Reached { .. }));
        let reached = timeout(PATIENCE, reached).await.is_ok();
        assert!(
            reached,
            "no flight reached the gate within {PATIENCE:?}; the log: {:#?}",
            self.road.state().log
        );
    }

    /// Lets what is held go on; where nothing is held yet, nothing will be.
    pub fn release(self) {
        drop(self);
    }

    /// Closes both sockets of the connection that is held, and what is held is lost.
    ///
    /// # Panics
    ///
    /// When no flight has matched.
    pub fn cut(mut self) {
        let phase = *self.barrier.phase.borrow();
        let (Phase::Taken { connection } | Phase::Reached { connection }) = phase else {
            panic!("no flight has reached the gate: nothing to cut");
        };
        self.road.cut(connection);
        self.cut = true;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.road.disarm(&self.barrier);
        // The barrier of a connection that was cut stays shut, so that what is held cannot slip through.
        if !self.cut {
            self.barrier.phase.send_replace(Phase::Released);
        }
    }
}
