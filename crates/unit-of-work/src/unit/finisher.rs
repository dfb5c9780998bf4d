//! Ends a unit, and corrects the response by what really happened.

use std::any::Any;

use async_graphql::Response;
use tokio::time::{Instant, timeout_at};

use crate::{
    Access, UnitOfWork,
    database::pool::no_answer,
    operation::{located, respond},
    retry::attempt::Attempt,
    unit::{Answer, Ending, Fate, Outcome, Reason, RollBackOnDrop, acquire_error, answer_late},
};

pub(crate) type Panic = Box<dyn Any + Send>;

/// The response of an operation before its unit is finished; and why the unit must be rolled back, if the response does not decide that:
/// the deadline passed first (`None`), or a resolver panicked.
pub(crate) fn answer(resolved: Option<Result<Response, Panic>>) -> (Response, Option<Reason>) {
    match resolved {
        None => (respond::deadline_exceeded(), Some(Reason::Deadline)),
        Some(Err(panic)) => (respond::panicked(&panic), Some(Reason::Panic)),
        Some(Ok(mut response)) => {
            response.errors.iter_mut().for_each(located::restore);
            (response, None)
        }
    }
}

/// Ends one unit.
pub(crate) struct Finisher<'a> {
    pub(crate) unit: &'a UnitOfWork,
    pub(crate) deadline: Option<Instant>,
    pub(crate) dry_run: bool,
}

/// How a unit ended, for the response.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    told: Told,
}

enum Told {
    /// The response stays: it already says why, or it is that of a query, whose partial data is shown.
    Answered,
    /// The deadline passed first.
    Late(Answer),
    /// The response must not show anything that was not committed.
    Written(Outcome),
    /// The response shows what would have been committed.
    DryRun,
}

impl Finisher<'_> {
    /// Finishes the unit: rolls back for the reason `cut_short`, or commits if the response `is_ok`.
    pub(crate) async fn finish(&self, cut_short: Option<Reason>, is_ok: bool) -> Finished {
        match cut_short {
            Some(Reason::Deadline) => {
                let waits_for_database = self.unit.waits_for_database();
                if waits_for_database {
                    // A statement is still waiting for a connection.
                    self.unit.noted(acquire_error(no_answer()));
                }
                let told = Told::Late(answer_late(waits_for_database));
                // The response does not wait for the database, which may be what hangs.
                self.unit.roll_back_in_background(Reason::Deadline);
                Finished {
                    outcome: Outcome::RolledBack(Reason::Deadline),
                    told,
                }
            }
            Some(reason) => Finished {
                outcome: self.unit.finish(Ending::RollBack(reason)).await,
                told: Told::Answered,
            },
            None if self.unit.access() == Access::ReadOnly => Finished {
                outcome: self.unit.end_read(),
                told: Told::Answered,
            },
            None if !is_ok => {
                Finished::written(self.finish_within(Ending::RollBack(Reason::Error)).await)
            }
            None if self.dry_run => self.finish_dry_run().await,
            None => Finished::written(self.finish_within(Ending::Commit).await),
        }
    }

    /// Ends a dry run, which must not promise what COMMIT would refuse.
    async fn finish_dry_run(&self) -> Finished {
        let unit = self.unit;
        let guard = RollBackOnDrop::new(unit.clone());
        let checked = within(self.deadline, unit.check_deferred()).await;
        guard.disarm();
        let Some(checked) = checked else {
            // The response is not shown, since it is not known whether COMMIT would be refused.
            unit.roll_back_in_background(Reason::Deadline);
            return Finished::written(Outcome::RolledBack(Reason::Deadline));
        };
        let refused = checked.err();
        let would_commit = unit.fate() == Fate::Sound;
        let outcome = self.finish_within(Ending::RollBack(Reason::DryRun)).await;
        let told = match refused {
            Some(failure) => Told::Written(Outcome::CommitFailed(failure)),
            None if would_commit => Told::DryRun,
            None => Told::Written(Outcome::RolledBack(Reason::Doomed)),
        };
        Finished { outcome, told }
    }

    /// Finishes the unit. If the deadline passes before COMMIT is decided, it is rolled back instead. That happens if something outside the
    /// operation uses the unit, through a handle that outlives it.
    pub(crate) async fn finish_within(&self, ending: Ending) -> Outcome {
        let mut finishing = std::pin::pin!(self.unit.finish(ending));
        if let Some(outcome) = within(self.deadline, finishing.as_mut()).await {
            return outcome;
        }
        match self.unit.decide(Ending::RollBack(Reason::Deadline)) {
            // If the response rests on writes of others, wait for their COMMIT.
            Ending::RollBack(reason) if !self.unit.rests_on_others() => Outcome::RolledBack(reason),
            Ending::RollBack(_) | Ending::Commit | Ending::Replay => finishing.await,
        }
    }
}

impl Finished {
    fn written(outcome: Outcome) -> Self {
        Self {
            told: Told::Written(outcome.clone()),
            outcome,
        }
    }

    /// Corrects the response of an operation of this unit by what really happened.
    pub(crate) fn tell(&self, response: Response, unit: &UnitOfWork) -> Response {
        match &self.told {
            Told::Answered => response,
            Told::Late(answer) => respond::told(response, *answer, &self.outcome, unit),
            Told::Written(outcome) => respond::written(response, outcome, unit),
            Told::DryRun => respond::dry_run(response),
        }
    }

    /// Tells the attempt if the operation should be run again: it may succeed then, and has certainly not happened. Otherwise a client sees
    /// the response, and its causes are logged.
    pub(crate) fn tell_attempt(
        &self,
        attempt: Option<&Attempt>,
        unit: &UnitOfWork,
        deadline: Option<Instant>,
    ) {
        match (attempt, unit.fate().lost(&self.outcome)) {
            (Some(attempt), Some(lost)) => attempt.lost(lost, deadline, unit),
            _ => unit.failures().log(unit.span()),
        }
    }
}

/// The future's output, or `None` if the deadline passes first.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}
