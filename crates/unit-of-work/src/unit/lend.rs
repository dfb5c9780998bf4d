//! How a unit begins its transaction, and lends it to one statement at a time.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr};
use tokio::{
    sync::OwnedMutexGuard,
    time::{sleep, sleep_until},
};

use super::{
    State, UnitOfWork, detached_on_drop::DetachedOnDrop, group::Turn, roll_back::END_AFTER, scope,
    terms::Deadline,
};
use crate::{
    Access, FailureKind, UnitError,
    consistency::reading::Reading,
    database::{begin::Begin, connection::Connection, pool::no_answer},
    error::ends_session,
    observe::{
        telemetry,
        timeline::{self, Step},
    },
};

impl UnitOfWork {
    /// The settings of this unit's BEGIN. Those that the session has anyway are left out.
    pub(super) fn begin_statement(&self) -> Begin {
        let (database, terms) = (&self.inner.database, &self.inner.terms);
        let own = database.isolation(terms.access);
        let isolation = self.isolation();
        let shorter = |than: Duration| {
            let deadline = terms.deadline.filter(|deadline| deadline.limit < than)?;
            let now = tokio::time::Instant::now();
            Some(deadline.at.saturating_duration_since(now))
        };
        Begin {
            access: terms.access,
            isolation: (isolation != own).then_some(isolation),
            statement_timeout: shorter(database.statement_timeout()),
            idle_timeout: shorter(database.idle_in_transaction_timeout()),
            settings: terms.settings.clone(),
            locate: terms.reading.is_some_and(|reading| reading.is_told),
            identify: terms.access == Access::ReadWrite,
        }
    }

    /// Lends the open transaction. The first statement begins it.
    pub(crate) async fn lend(&self) -> Result<OwnedMutexGuard<State>, DbErr> {
        let lent = self.lend_for(false).await;
        lent.map_err(|error| self.noted(error))
    }

    async fn lend_for(&self, one_statement: bool) -> Result<OwnedMutexGuard<State>, DbErr> {
        scope::refuse_inside(self.id())?;
        let mut state = match self.inner.state.clone().try_lock_owned() {
            Ok(state) => state,
            Err(_) => {
                self.refuse_begun(None)?;
                self.hold().await
            }
        };
        if let Some(refusal) = self.refusal() {
            return Err(refusal.into());
        }
        match &*state {
            State::Open(_) => return self.open_field(state).await,
            State::WithoutTransaction(_) | State::Spent => {
                self.inner.needs_snapshot.store(true, Ordering::Release);
                return Err(self.failed(UnitError::SnapshotNeeded.into()));
            }
            State::Finished => return Err(UnitError::Finished.into()),
            State::Idle => {}
        }
        let begin = self.begin_statement();
        if one_statement && self.inner.terms.without_transaction && begin.is_plain() {
            let mut connection = self.acquire(self.inner.terms.reading).await?;
            *self.peer() = Some(connection.peer());
            connection.begin_without_transaction();
            self.inner.stats.begun(self.inner.terms.access);
            self.inner.stats.uses(connection.server());
            *state = State::WithoutTransaction(connection);
            return Ok(state);
        }
        // BEGIN notices a connection that was lost while idle. Nothing has happened on it, so another one is taken: a restart of the
        // database costs the pool its idle connections, but fails no operation.
        let mut others = self.inner.database.max_connections();
        let mut reading = self.inner.terms.reading;
        loop {
            let turn = self.turn(&begin, reading).await?;
            let is_shared = turn.is_shared();
            let (returned, begun) = self.begin(state, turn, begin.clone()).await;
            state = returned;
            match begun {
                Ok(()) => return self.open_field(state).await,
                Err(error)
                    if (is_shared || FailureKind::of(&error) == FailureKind::ConnectionLost)
                        && others > 0 =>
                {
                    others -= 1;
                    // A replica that has failed once is not asked again.
                    reading = reading.map(Reading::on_the_primary);
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Waits for a connection, or for the transaction of a group.
    async fn turn(&self, begin: &Begin, reading: Option<Reading>) -> Result<Turn, DbErr> {
        let waited = Instant::now();
        let turn = self.turn_of(begin, self.acquire(reading)).await?;
        if let Some(token) = self.reading().and_then(|reading| reading.shown) {
            let honoured = turn.honours(&token).map_err(acquire_error);
            honoured.map_err(|error| self.failed(error))?;
        }
        if turn.is_shared() {
            self.inner.stats.waited(waited.elapsed());
            // As for a connection of its own, the files are checked after the wait.
            let files = self.inner.database.check_files();
            files.map_err(|error| self.failed(error))?;
            if self.inner.closing.load(Ordering::Acquire) {
                return Err(UnitError::Finished.into());
            }
        }
        Ok(turn)
    }

    async fn acquire(&self, reading: Option<Reading>) -> Result<Connection, DbErr> {
        let timeline = self.timeline();
        let step = timeline.map_or(timeline::UnderWay::UNSEEN, |timeline| {
            timeline.begin(Step::Wait, None, None)
        });
        let step = step.traced(telemetry::step_span(Step::Wait, self.backend(), None));
        let waited = Instant::now();
        let terms = &self.inner.terms;
        let until = terms.deadline.map(Deadline::to_reach_the_database);
        let database = &self.inner.database;
        let connection = match &reading {
            // Boxed, so that the future is not larger without replicas.
            Some(reading) if terms.access == Access::ReadOnly => {
                Box::pin(database.acquire_to_read(reading, until)).await
            }
            _ => database.acquire(terms.access, until).await,
        };
        self.inner.stats.waited(waited.elapsed());
        let connection = step.ended(connection.map_err(acquire_error), FailureKind::of);
        let connection = connection.map_err(|error| self.failed(error))?;
        let connection = connection.watched(timeline.cloned());
        if self.inner.closing.load(Ordering::Acquire) {
            return Err(UnitError::Finished.into());
        }
        Ok(connection)
    }

    /// Begins the transaction. It owns the lock meanwhile, since BEGIN must not be interrupted, and the state must be complete even if
    /// nobody waits any more.
    fn begin(
        &self,
        mut state: OwnedMutexGuard<State>,
        turn: Turn,
        begin: Begin,
    ) -> DetachedOnDrop<(OwnedMutexGuard<State>, Result<(), DbErr>)> {
        let unit = self.clone();
        let begun = async move {
            let (mut connection, is_shared) = match turn {
                Turn::Own(connection) => (connection, false),
                Turn::Shared(handed) => match handed.into_connection() {
                    Some(connection) => (connection, true),
                    None => return (state, Err(UnitError::Finished.into())),
                },
            };
            let result = if is_shared {
                unit.joins_group();
                connection.join().await
            } else {
                let peer = connection.peer();
                tokio::select! {
                    biased;
                    begun = connection.begin(&begin) => begun,
                    () = unit.nobody_waits(), if peer.can_be_ended() => Err(acquire_error(no_answer())),
                }
            };
            if result.is_ok() {
                *unit.peer() = Some(connection.peer());
                unit.inner.stats.begun(unit.inner.terms.access);
                unit.inner.stats.uses(connection.server());
                unit.saw(&connection);
                *state = State::Open(connection);
            } else {
                unit.inner.database.give_up(connection);
            }
            (state, result)
        };
        DetachedOnDrop::new(begun, self.inner.database.tasks())
    }

    /// Returns when nobody waits for BEGIN any more: the operation has passed its deadline, or the database is being closed. A server that does
    /// not answer must not keep a place in the pool.
    async fn nobody_waits(&self) {
        let database = &self.inner.database;
        let closing = async {
            database.closing().cancelled().await;
            sleep(database.finish_timeout()).await;
        };
        match self.inner.terms.deadline {
            Some(deadline) => tokio::select! {
                () = sleep_until(deadline.at + END_AFTER) => {}
                () = closing => {}
            },
            None => closing.await,
        }
    }

    /// Runs one statement on the transaction.
    pub(super) async fn statement<T>(
        &self,
        run: impl AsyncFnOnce(&mut Connection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let lent = self.lend_for(true).await;
        let mut state = lent.map_err(|error| self.noted(error))?;
        let connection = state.connection()?;
        let under_way = UnderWay { unit: self };
        let result = run(connection).await;
        under_way.ended();
        state.statement_ended(&result, self);
        self.inner.stats.statement();
        result.map_err(|error| self.statement_failed(self.noted(error)))
    }
}

impl State {
    /// Notes that a statement has ended. Without a transaction, it was the last one.
    fn statement_ended<T>(&mut self, result: &Result<T, DbErr>, unit: &UnitOfWork) {
        // If the peer was taken, the statement is being stopped, and that code owns the connection.
        let is_being_stopped = || unit.peer().take().is_none();
        if matches!(self, Self::WithoutTransaction(_))
            && !is_being_stopped()
            && let Self::WithoutTransaction(connection) = std::mem::replace(self, Self::Spent)
        {
            let is_lost = |error: &DbErr| {
                FailureKind::of(error) == FailureKind::ConnectionLost || ends_session(error)
            };
            if result.as_ref().is_err_and(is_lost) {
                unit.inner.database.give_up(connection);
            } else {
                connection.end_without_transaction();
            }
        }
    }
}

/// A statement under way. If it is dropped before its end, it dooms a unit that may write.
struct UnderWay<'a> {
    unit: &'a UnitOfWork,
}

impl UnderWay<'_> {
    fn ended(self) {
        std::mem::forget(self);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.unit.inner.terms.access == Access::ReadWrite {
            self.unit.abandoned();
        }
    }
}

pub(crate) fn acquire_error(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => {
            DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::ConnectionClosed)
        }
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}
