//! How a unit ends: once, decided by whoever comes first, and carried through.
//!
//! - The operation that has its response asks for COMMIT or ROLLBACK and waits; a client that has gone, or a deadline that
//!   has passed, asks for ROLLBACK and does not. A COMMIT that was decided is carried through.
//! - `commit` has the COMMIT, and what is done where it is not answered; `roll_back` the ROLLBACK, and how statements are
//!   stopped that nobody waits for any more.
//! - Effects follow, then the record in span and metrics.

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

/// How a unit is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    /// The response is that of an earlier operation: nothing is to be committed.
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
    /// The COMMIT that it was to share with others did not happen, or it kept them waiting for too long.
    SharedCommit,
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No statement was run: nothing was begun.
    Untouched,
    /// A snapshot was read, and let go.
    Read,
    Committed,
    /// The response of an earlier operation was found; nothing was written.
    Replayed,
    RolledBack(Reason),
    CommitFailed(CommitFailure),
    /// COMMIT was not answered, or its answer cannot be relied on.
    Unknown,
}

impl UnitOfWork {
    /// Decides how the unit ends, unless that is decided already. Answers what holds.
    pub(crate) fn decide(&self, ending: Ending) -> Ending {
        *self.inner.ending.get_or_init(|| ending)
    }

    /// Lets a read-only unit's snapshot go, without making anybody wait for it.
    pub(crate) fn end_read(&self) -> Outcome {
        self.inner.closing.store(true, Ordering::Release);
        self.inner.effects.discard();
        let outcome = match self.close_untouched() {
            Some(outcome) => outcome,
            None => {
                let unit = self.clone();
                self.detached(async move {
                    if let Some(connection) = unit.take(true).await {
                        // After the response, or with it: it is not on the timeline either way.
                        unit.roll_back(connection.watched(None)).await;
                    }
                });
                Outcome::Read
            }
        };
        self.record(&outcome);
        outcome
    }

    /// Commits or rolls back, and answers when it is done.
    ///
    /// # Cancel safety
    /// Cancel safe: it is carried through.
    pub(crate) fn finish(&self, requested: Ending) -> impl Future<Output = Outcome> + use<> {
        self.inner.closing.store(true, Ordering::Release);
        let end = AssertUnwindSafe(self.clone().end(requested)).catch_unwind();
        let end = end.map(|outcome| outcome.unwrap_or(Outcome::Unknown));
        let end = end.instrument(self.inner.span.clone());
        DetachedOnDrop::new(end, self.inner.database.tasks())
    }

    /// Rolls back without making anybody wait for it.
    pub(crate) fn roll_back_in_background(&self, reason: Reason) {
        self.inner.closing.store(true, Ordering::Release);
        if let Some(timeline) = self.timeline() {
            timeline.end();
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
            // Boxed: whoever is alone has no room for it.
            (Some(connection), ending) if connection.group().is_some() => {
                Box::pin(self.leave_group(connection, ending)).await
            }
            (Some(connection), Ending::Commit) => match self.next_to_share(&connection) {
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

    /// Finishes a unit that has no connection and that nobody is using; `None` when there is more to do.
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

    /// What follows the end: effects, and the record in span and metrics.
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

    /// Waits for the effects until the operation's deadline: those that take longer go on, and hold up nobody.
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

    /// Spawns what must not be cancelled, and what [`Database::close`](crate::Database::close) waits for. Without a
    /// runtime (it is going down) the connection's own `Drop` is left to roll back.
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

/// Rolls a unit back when the operation that holds it is dropped: its client is gone.
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
