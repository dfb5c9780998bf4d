//! How a unit ends: once, as the first request says, and always to the end.
//!
//! - An operation with its response requests COMMIT or ROLLBACK, and waits for it. If the client has gone or the deadline has passed,
//!   ROLLBACK is requested without waiting. A COMMIT that was decided is carried out.
//! - `commit` has COMMIT, and what happens if it is not answered. `roll_back` has ROLLBACK, and how abandoned statements are stopped.
//! - After that, effects run, and the end is recorded in span and metrics.

use std::{panic::AssertUnwindSafe, sync::atomic::Ordering};

use futures_util::FutureExt;
use tokio::{runtime::Handle, time::timeout_at};
use tracing::Instrument;

use super::{Leaver, State, UNDONE_WITH_OTHERS, UnitOfWork, fate::follow};
use crate::{
    error::CommitFailure,
    observe::telemetry,
    unit::{detached_on_drop::DetachedOnDrop, effects},
};

/// How a unit should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    /// A stored response is replayed: there is nothing to commit.
    Replay,
    RollBack(Reason),
}

/// Why a unit was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The response has errors.
    Error,
    /// A statement failed or was abandoned, and no field reported it.
    Doomed,
    /// The operation passed its deadline.
    Deadline,
    /// The operation was dropped: the client is gone.
    ClientGone,
    /// A resolver panicked.
    Panic,
    /// The database refused COMMIT.
    CommitFailed,
    /// [`UnitOfWork::set_rollback_only`].
    RollbackOnly,
    /// It was a dry run.
    DryRun,
    /// The shared COMMIT did not happen, or the unit kept the others waiting for too long.
    SharedCommit,
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No statement was run: nothing was begun.
    Untouched,
    /// A snapshot was read, and has ended.
    Read,
    Committed,
    /// A stored response was replayed; nothing was written.
    Replayed,
    RolledBack(Reason),
    CommitFailed(CommitFailure),
    /// COMMIT was not answered, or its answer cannot be relied on.
    Unknown,
}

impl UnitOfWork {
    /// Decides how the unit ends, unless that is already decided. Returns the decision.
    pub(crate) fn decide(&self, ending: Ending) -> Ending {
        *self.inner.ending.get_or_init(|| ending)
    }

    /// Ends a read-only unit's snapshot in the background.
    pub(crate) fn end_read(&self) -> Outcome {
        self.inner.closing.store(true, Ordering::Release);
        self.inner.effects.discard();
        let outcome = match self.close_untouched() {
            Some(outcome) => outcome,
            None => {
                let unit = self.clone();
                self.detached(async move {
                    if let Some(connection) = unit.take(true).await {
                        // It happens after the response or at the same time, so it is not on the timeline.
                        unit.roll_back(connection.watched(None)).await;
                    }
                });
                Outcome::Read
            }
        };
        self.record(&outcome);
        outcome
    }

    /// Commits or rolls back, and returns when that is done.
    ///
    /// # Cancel safety
    /// Cancel safe: it goes on if it is dropped.
    pub(crate) fn finish(&self, requested: Ending) -> impl Future<Output = Outcome> + use<> {
        self.inner.closing.store(true, Ordering::Release);
        let end = AssertUnwindSafe(self.clone().end(requested)).catch_unwind();
        let end = end.map(|outcome| outcome.unwrap_or(Outcome::Unknown));
        let end = end.instrument(self.inner.span.clone());
        DetachedOnDrop::new(end, self.inner.database.tasks())
    }

    /// Rolls back in the background.
    pub(crate) fn roll_back_in_background(&self, reason: Reason) {
        self.inner.closing.store(true, Ordering::Release);
        if let Some(timeline) = self.timeline() {
            timeline.end();
        }
        if reason == Reason::Deadline {
            self.inner.database.opened().doubt_idle();
        }
        self.detached(self.clone().end(Ending::RollBack(reason)));
    }

    async fn end(self, requested: Ending) -> Outcome {
        let is_taken = *self.inner.leaver.get_or_init(|| Leaver::Unit) == Leaver::Group;
        let connection = if is_taken {
            None
        } else {
            self.take(requested != Ending::Commit).await
        };
        let ending = self.decide(self.fate().ending(requested));
        let outcome = match (connection, ending) {
            // Boxed, so that the future of a unit without a group is not larger.
            (Some(connection), ending) if connection.group().is_some() => {
                Box::pin(self.leave_group(connection, ending)).await
            }
            (Some(mut connection), Ending::Commit) => match self.next_to_share(&mut connection) {
                Some(next) => Box::pin(self.found_group(connection, next)).await,
                None => {
                    let outcome = self.commit(connection).await;
                    self.inner.stats.held();
                    outcome
                }
            },
            (Some(connection), Ending::RollBack(reason)) => {
                self.roll_back(connection).await;
                Outcome::RolledBack(reason)
            }
            (Some(connection), Ending::Replay) => {
                self.roll_back(connection).await;
                Outcome::Replayed
            }
            (None, _) if is_taken => UNDONE_WITH_OTHERS,
            (None, _) => self.fate().without_transaction(),
        };
        self.settle(outcome, ending).await
    }

    /// Finishes a unit that has no connection and is not in use; `None` if there is more to do.
    fn close_untouched(&self) -> Option<Outcome> {
        let mut state = self.inner.state.try_lock().ok()?;
        let outcome = match *state {
            State::Open(_) | State::WithoutTransaction(_) => return None,
            State::Idle | State::Finished => self.fate().without_transaction(),
            State::Spent => Outcome::Read,
        };
        *state = State::Finished;
        Some(outcome)
    }

    /// Runs the effects, and records the end in span and metrics.
    async fn settle(&self, outcome: Outcome, ending: Ending) -> Outcome {
        let follow = follow(&outcome, ending);
        let effects = self.inner.effects.take();
        if let Some(follow) = follow
            && !effects.is_empty()
        {
            let tasks = self.inner.database.tasks();
            self.wait_for(effects::run(effects, follow, tasks.clone()))
                .await;
        }
        self.record(&outcome);
        outcome
    }

    /// Waits for the effects until the operation's deadline. Slower ones go on without delaying the response.
    async fn wait_for(&self, effects: impl Future<Output = ()> + Send + 'static) {
        let Some(deadline) = self.inner.terms.deadline else {
            return effects.await;
        };
        let running = self.inner.database.tasks().spawn(effects);
        if timeout_at(deadline.at, running).await.is_err() {
            tracing::warn!(
                "effects outlast the deadline of their operation: the response does not wait for them"
            );
        }
    }

    fn record(&self, outcome: &Outcome) {
        telemetry::record(&self.inner.span, &self.inner.stats, outcome);
    }

    /// Runs a future that must not be cancelled, and for which [`Database::close`](crate::Database::close) waits. Without a runtime (it is
    /// shutting down), the connection is dropped, which rolls back.
    pub(super) fn detached<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) {
        if let Ok(runtime) = Handle::try_current() {
            let task = task.instrument(self.inner.span.clone());
            self.inner.database.tasks().spawn_on(task, &runtime);
        }
    }
}

/// Rolls back a unit if its operation is dropped, because the client is gone.
pub(crate) struct RollBackOnDrop(Option<UnitOfWork>);

impl RollBackOnDrop {
    pub(crate) fn new(unit: UnitOfWork) -> Self {
        Self(Some(unit))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for RollBackOnDrop {
    fn drop(&mut self) {
        if let Some(unit) = &self.0 {
            unit.roll_back_in_background(Reason::ClientGone);
        }
    }
}
