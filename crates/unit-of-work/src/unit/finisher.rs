//! Ends a unit, and tells what really happened.

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

/// What an operation answers before its unit is finished, and why the unit must be rolled back, if that is not for the
/// answer to say: the deadline came first (`None`), or a resolver panicked.
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

/// How a unit ended, and what clients are told of it.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    told: Told,
}

enum Told {
    /// The answer stands: it says why already, or it is a query's, whose partial data is shown.
    Answered,
    /// The deadline came first.
    Late(Answer),
    /// What was not committed is not shown.
    Written(Outcome),
    /// What would have been committed is shown.
    DryRun,
}

impl Finisher<'_> {
    /// Finishes the unit: as `cut_short` says, or by whether all that was answered `is_ok`.
    pub(crate) async fn finish(&self, cut_short: Option<Reason>, is_ok: bool) -> Finished {
        match cut_short {
            Some(Reason::Deadline) => {
                let waits_for_database = self.unit.waits_for_database();
                if waits_for_database {
                    // Nobody has answered the statement that waits.
                    self.unit.noted(acquire_error(no_answer()));
                }
                let told = Told::Late(answer_late(waits_for_database));
                // The answer does not wait for the database: it may be what is stuck.
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

    /// What a commit would refuse, a dry run must not promise.
    async fn finish_dry_run(&self) -> Finished {
        let unit = self.unit;
        let guard = RollBackOnDrop::new(unit.clone());
        let checked = within(self.deadline, unit.check_deferred()).await;
        guard.disarm();
        let Some(checked) = checked else {
            // What the resolvers have answered is not shown: nobody knows whether a commit would be refused.
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

    /// Finishes the unit; if the deadline passes before COMMIT was decided on, it is rolled back instead. That happens
    /// when something outside the operation holds the unit: a statement of a handle that got away.
    async fn finish_within(&self, ending: Ending) -> Outcome {
        let mut finishing = std::pin::pin!(self.unit.finish(ending));
        if let Some(outcome) = within(self.deadline, finishing.as_mut()).await {
            return outcome;
        }
        match self.unit.decide(Ending::RollBack(Reason::Deadline)) {
            // Not before the COMMIT of those whose writes the answer rests on.
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

    /// The response of an operation of this unit, with what really happened.
    pub(crate) fn tell(&self, response: Response, unit: &UnitOfWork) -> Response {
        match &self.told {
            Told::Answered => response,
            Told::Late(answer) => respond::told(response, *answer, &self.outcome, unit),
            Told::Written(outcome) => respond::written(response, outcome, unit),
            Told::DryRun => respond::dry_run(response),
        }
    }

    /// Tells the attempt if it has lost: the same operation may succeed when it is run again, and surely has not happened
    /// yet. Otherwise what was answered is what a client sees, and the log gets its causes.
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

/// The future's output, or `None` when the deadline came first.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}
