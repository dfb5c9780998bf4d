//! Units outside of a GraphQL operation: for jobs, commands and tests.

mod terms;

use std::{future::Future, sync::Arc, time::Duration};

use sea_orm::DbErr;
use tokio::time::Instant;
use tracing::Instrument;

pub use terms::UnitTerms;

use super::{
    Ending, Outcome, Reason, RollBackOnDrop, UnitOfWork, acquire_error,
    finisher::{Finisher, within},
    terms::{Deadline, Terms},
};
use crate::{
    Access, Database, RetryPolicy, UnitError,
    database::pool::no_answer,
    observe::telemetry,
    retry::{Attempts, notes::Notes},
};

impl Database {
    /// Runs `body` on a read-only unit, outside any GraphQL operation, and ends its snapshot.
    ///
    /// Its time is not limited, since an export of a large database can take long; PostgreSQL's `statement_timeout` applies to each
    /// statement. As long as the snapshot exists, PostgreSQL cannot remove rows that were changed since, and SQLite cannot empty its
    /// write-ahead log. The log warns after a minute, and again after two, four and so on. Put a time-out around it if a late answer has no
    /// use.
    ///
    /// # Errors
    /// Those of `body`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the snapshot in the background.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr, Statement};
    /// # async fn example(database: &unit_of_work::Database) -> Result<(), DbErr> {
    /// let people: i64 = database
    ///     .read(async |unit| {
    ///         let count = Statement::from_string(unit.get_database_backend(), "SELECT count(*) FROM person");
    ///         let row = unit.query_one_raw(count).await?;
    ///         row.map_or(Ok(0), |row| row.try_get_by_index(0))
    ///     })
    ///     .await?;
    /// # let _ = people; Ok(()) }
    /// ```
    pub async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let span = telemetry::unit_span(None);
        let unit = UnitOfWork::new(self.clone(), Terms::of(Access::ReadOnly), span.clone());
        let guard = RollBackOnDrop::new(unit.clone());
        let body = body(unit.clone()).instrument(span.clone());
        let result = told_when_long(&span, body).await;
        guard.disarm();
        unit.end_read();
        result
    }

    /// Runs `body` as [`Database::read`] does, on the given terms. Each attempt has a snapshot of its own.
    ///
    /// # Errors
    /// Those of `body`, and [`UnitError::DeadlineExceeded`] inside a [`DbErr`].
    ///
    /// # Cancel safety
    /// As [`Database::read`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # use unit_of_work::UnitTerms;
    /// # async fn example(database: &unit_of_work::Database) -> Result<(), DbErr> {
    /// let terms = UnitTerms::named("daily report").deadline(Duration::from_secs(60)).attempts(3);
    /// database.read_with(terms, async |unit| unit.execute_unprepared("SELECT 1").await).await?;
    /// # Ok(()) }
    /// ```
    pub async fn read_with<T, E, F, Fut>(&self, terms: UnitTerms, body: F) -> Result<T, E>
    where
        F: FnMut(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        self.attempts(Access::ReadOnly, &terms, body).await
    }

    /// Runs `body` once on a unit, outside any GraphQL operation. Commits if it returns `Ok`, and otherwise rolls back.
    /// [`Database::write_retrying`] runs it again after a conflict.
    ///
    /// # Errors
    /// Those of `body`, and [`UnitError`] inside a [`DbErr`] if the unit was doomed or its COMMIT failed.
    ///
    /// # Cancel safety
    /// Dropping the future rolls back in the background; a COMMIT under way is allowed to finish.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # async fn example(database: &unit_of_work::Database) -> Result<(), DbErr> {
    /// database
    ///     .write(async |unit| unit.execute_unprepared("INSERT INTO person VALUES (1)").await)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub async fn write<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        self.check_access(Access::ReadWrite).map_err(DbErr::from)?;
        let terms = Terms::of(Access::ReadWrite);
        let (unit, outcome, result) = self.once(terms, None, body).await;
        answer(&unit, outcome, result)
    }

    /// Runs `body` as [`Database::write`] does, on the given terms; with more than one attempt, as [`Database::write_retrying`] does.
    ///
    /// # Errors
    /// Those of the last attempt.
    ///
    /// # Cancel safety
    /// As [`Database::write`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # use unit_of_work::{SessionSettings, UnitTerms};
    /// # async fn example(database: &unit_of_work::Database) -> Result<(), DbErr> {
    /// let terms = UnitTerms::named("tidy")
    ///     .settings(SessionSettings::new().set("app.tenant", "42"))
    ///     .deadline(Duration::from_secs(10))
    ///     .attempts(20);
    /// database.write_with(terms, async |unit| unit.execute_unprepared("DELETE FROM draft").await).await?;
    /// # Ok(()) }
    /// ```
    pub async fn write_with<T, E, F, Fut>(&self, terms: UnitTerms, body: F) -> Result<T, E>
    where
        F: FnMut(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        self.attempts(Access::ReadWrite, &terms, body).await
    }

    /// Runs `body` as [`Database::write`] does, and runs it again as a whole, on a fresh unit, after a conflict or a lost connection, as
    /// [`Retrying`](crate::Retrying) does with an operation. So outside of the database, `body` must do nothing that may not happen twice.
    /// An effect ([`UnitOfWork::after_commit`]) happens once.
    ///
    /// There is no deadline: [`RetryPolicy::attempts`] limits both. If the outcome is not known, it is never run again. Values of
    /// [`UnitOfWork::for_next_attempt`] are passed to the next attempt.
    ///
    /// # Errors
    /// Those of the last attempt.
    ///
    /// # Cancel safety
    /// As [`Database::write`].
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # use unit_of_work::RetryPolicy;
    /// # async fn example(database: &unit_of_work::Database) -> Result<(), DbErr> {
    /// database
    ///     .write_retrying(RetryPolicy::default(), async |unit| {
    ///         unit.execute_unprepared("UPDATE counter SET value = value + 1").await
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub async fn write_retrying<T, E, F, Fut>(&self, policy: RetryPolicy, body: F) -> Result<T, E>
    where
        F: FnMut(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        self.write_with(UnitTerms::default().retry(policy), body)
            .await
    }

    async fn attempts<T, E, F, Fut>(
        &self,
        access: Access,
        terms: &UnitTerms,
        mut body: F,
    ) -> Result<T, E>
    where
        F: FnMut(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        self.check_access(access).map_err(DbErr::from)?;
        let name = terms.name.as_deref();
        let deadline = Deadline::after(terms.deadline);
        let mut attempts = Attempts::of_a_write(&terms.retry);
        loop {
            let attempt = attempts.next(None);
            let of_attempt = terms.of(access, deadline, Arc::clone(&attempt.notes));
            let (unit, outcome, result) = self.once(of_attempt, name, &mut body).await;
            if let Some(lost) = unit.fate().lost(&outcome) {
                attempt.lost(lost, deadline.map(|deadline| deadline.at), &unit);
            }
            let answer = answer(&unit, outcome, result);
            drop(unit);
            if !attempts.go_on(&attempt, name).await {
                return answer;
            }
        }
    }

    async fn once<T, E, F, Fut>(
        &self,
        terms: Terms,
        name: Option<&str>,
        body: F,
    ) -> (UnitOfWork, Outcome, Result<T, E>)
    where
        F: FnOnce(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<DbErr>,
    {
        let span = telemetry::unit_span(name);
        let access = terms.access;
        let deadline = terms.deadline.map(|deadline| deadline.at);
        let unit = UnitOfWork::new(self.clone(), terms, span.clone());
        let guard = RollBackOnDrop::new(unit.clone());
        let body = body(unit.clone()).instrument(span.clone());
        let result = match (access, deadline) {
            (Access::ReadOnly, None) => Some(told_when_long(&span, body).await),
            (_, deadline) => within(deadline, body).await,
        };
        guard.disarm();
        let Some(result) = result else {
            let error = if unit.waits_for_database() {
                acquire_error(no_answer())
            } else {
                UnitError::DeadlineExceeded.into()
            };
            unit.roll_back_in_background(Reason::Deadline);
            let outcome = Outcome::RolledBack(Reason::Deadline);
            return (unit, outcome, Err(error.into()));
        };
        if access == Access::ReadOnly {
            let outcome = unit.end_read();
            return (unit, outcome, result);
        }
        let ending = if result.is_ok() {
            Ending::Commit
        } else {
            Ending::RollBack(Reason::Error)
        };
        let finisher = Finisher {
            unit: &unit,
            deadline,
            dry_run: false,
        };
        let outcome = finisher.finish_within(ending).await;
        (unit, outcome, result)
    }
}

/// The result for the caller: the body's own error, or why its work was not committed.
fn answer<T, E: From<DbErr>>(
    unit: &UnitOfWork,
    outcome: Outcome,
    result: Result<T, E>,
) -> Result<T, E> {
    let answer = result?;
    let error = match outcome {
        Outcome::CommitFailed(failure) => UnitError::CommitFailed(failure),
        Outcome::Unknown => UnitError::OutcomeUnknown,
        Outcome::RolledBack(Reason::Deadline) => UnitError::DeadlineExceeded,
        Outcome::RolledBack(Reason::RollbackOnly) => UnitError::RollbackOnly {
            reason: unit.rollback_only().unwrap_or_default().to_owned(),
        },
        Outcome::RolledBack(_) => UnitError::Doomed,
        Outcome::Untouched | Outcome::Read | Outcome::Committed | Outcome::Replayed => {
            return Ok(answer);
        }
    };
    Err(DbErr::from(error).into())
}

impl UnitTerms {
    /// The terms of one attempt.
    pub(crate) fn of(
        &self,
        access: Access,
        deadline: Option<Deadline>,
        notes: Arc<Notes>,
    ) -> Terms {
        Terms {
            isolation: self.isolation,
            deadline,
            settings: self.settings.clone(),
            notes: Some(notes),
            ..Terms::of(access)
        }
    }
}

/// How long a snapshot outside of an operation is held before the log says so for the first time.
const LONG: Duration = Duration::from_secs(60);

/// Warns in the log that a snapshot is held for long, less and less often.
async fn told_when_long<F: Future>(span: &tracing::Span, body: F) -> F::Output {
    let began = Instant::now();
    let mut body = std::pin::pin!(body);
    let mut tell = LONG;
    loop {
        match tokio::time::timeout_at(began + tell, &mut body).await {
            Ok(result) => return result,
            Err(_) => {
                tracing::warn!(
                    parent: span,
                    held = ?tell,
                    "a snapshot is being held: until it ends, PostgreSQL keeps rows that were changed since, and SQLite its log"
                );
                tell = tell.saturating_mul(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_that_is_held_long_is_told_and_not_ended() {
        let long = async {
            tokio::time::sleep(LONG * 100).await;
            7
        };
        assert_eq!(told_when_long(&tracing::Span::none(), long).await, 7);
    }
}
