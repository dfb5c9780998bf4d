//! One execution of one event, and the subscribers that wait for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::yield_now,
    time::{Instant, timeout_at},
};

use crate::Undelivered;

/// How many waiting subscribers are woken before other tasks run. Each of them then writes a text, and other tasks would have to wait for
/// all of them.
const SLICE: usize = 32;

/// The outcome of an execution, for those that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The text of the response.
    Text(Bytes),
    /// The event cannot be delivered.
    Undelivered(Undelivered),
}

#[derive(Debug)]
enum State {
    /// The subscribers that wait, in order of arrival.
    UnderWay(Vec<oneshot::Sender<()>>),
    /// It ended at this time.
    Ended(Outcome, Instant),
    /// Its subscriber has gone away, or its response must not be shared.
    Abandoned,
}

/// One execution of one event.
#[derive(Debug)]
pub(super) struct Flight {
    /// A time before its snapshot was taken.
    pub(super) began: Instant,
    state: Mutex<State>,
}

impl Flight {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::new(State::UnderWay(Vec::new())),
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(*self.state(), State::UnderWay(_))
    }

    /// Its outcome, and when it ended; `None` if it is under way or was abandoned.
    pub(super) fn ended(&self) -> Option<(Outcome, Instant)> {
        match &*self.state() {
            State::Ended(outcome, at) => Some((outcome.clone(), *at)),
            State::UnderWay(_) | State::Abandoned => None,
        }
    }

    /// Waits for its end, at most until this time.
    pub(super) async fn wait(&self, until: Instant) {
        let ended = match &mut *self.state() {
            State::UnderWay(waiting) => {
                let (sender, ended) = oneshot::channel();
                waiting.push(sender);
                ended
            }
            State::Ended(..) | State::Abandoned => return,
        };
        let _ = timeout_at(until, ended).await;
    }

    /// Ends it, unless it has ended.
    pub(super) fn end(&self, outcome: Outcome) -> Instant {
        let at = Instant::now();
        self.leave_for(State::Ended(outcome, at));
        at
    }

    pub(super) fn abandon(&self) {
        self.leave_for(State::Abandoned);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave_for(&self, end: State) {
        let mut waiting = match &mut *self.state() {
            State::Ended(..) | State::Abandoned => return,
            state @ State::UnderWay(_) => match std::mem::replace(state, end) {
                State::UnderWay(waiting) => waiting,
                State::Ended(..) | State::Abandoned => Vec::new(),
            },
        };
        // Dropping a sender wakes its subscriber. The first to arrive are woken first.
        let rest = waiting.split_off(SLICE.min(waiting.len()));
        drop(waiting);
        if rest.is_empty() {
            return;
        }
        // Without a runtime, all are woken at once.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let mut rest = rest.into_iter().peekable();
                while rest.peek().is_some() {
                    yield_now().await;
                    rest.by_ref().take(SLICE).for_each(drop);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::task::JoinSet;

    use super::*;

    /// One thread: whoever is woken stands in its queue.
    #[tokio::test]
    async fn others_have_a_turn_between_two_slices_of_those_who_wait() {
        const WAITING: usize = 20 * SLICE;
        let flight = Arc::new(Flight::begin());
        let woken = Arc::new(AtomicUsize::new(0));
        let mut waiting = JoinSet::new();
        for _ in 0..WAITING {
            let (flight, woken) = (Arc::clone(&flight), Arc::clone(&woken));
            waiting.spawn(async move {
                flight
                    .wait(flight.began + std::time::Duration::from_secs(60))
                    .await;
                assert!(flight.ended().is_some());
                woken.fetch_add(1, Ordering::Relaxed);
            });
        }
        yield_now().await;
        flight.end(Outcome::Text(Bytes::from_static(b"text")));
        let mut between = Vec::new();
        while woken.load(Ordering::Relaxed) < WAITING {
            yield_now().await;
            between.push(woken.load(Ordering::Relaxed));
        }
        let longest = between.windows(2).map(|two| two[1] - two[0]).max();
        assert!(longest.unwrap() <= 4 * SLICE, "{between:?}");
        waiting.join_all().await;
    }
}
