//! One execution of one event, and those who wait for it.

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::Undelivered;

/// What an execution has for those who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The text of the response.
    Text(Bytes),
    /// The event cannot be delivered.
    Undelivered(Undelivered),
}

#[derive(Clone, Debug)]
enum State {
    UnderWay,
    /// It ended then.
    Ended(Outcome, Instant),
    /// Whoever executed it has gone, or has nothing that others may see.
    Abandoned,
}

/// One execution of one event.
#[derive(Debug)]
pub(super) struct Flight {
    /// Its snapshot was taken after this.
    pub(super) began: Instant,
    state: watch::Sender<State>,
}

impl Flight {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            state: watch::Sender::new(State::UnderWay),
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(*self.state.borrow(), State::UnderWay)
    }

    /// What it has for others, and when it ended; `None` where it is under way or was abandoned.
    pub(super) fn ended(&self) -> Option<(Outcome, Instant)> {
        match &*self.state.borrow() {
            State::Ended(outcome, at) => Some((outcome.clone(), *at)),
            State::UnderWay | State::Abandoned => None,
        }
    }

    /// Waits for its end, until then.
    pub(super) async fn wait(&self, until: Instant) {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| !matches!(state, State::UnderWay));
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

    fn leave_for(&self, end: State) {
        self.state.send_if_modified(|state| {
            let is_under_way = matches!(state, State::UnderWay);
            if is_under_way {
                *state = end;
            }
            is_under_way
        });
    }
}
