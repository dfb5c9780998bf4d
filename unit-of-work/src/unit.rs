//! The unit: a transaction that is begun by the first statement, lent to one statement at a time, and finished once.
//!
//! ```text
//! Idle ──first statement──> Open ──finish──> Finished
//!   └──────────finish (nothing was begun)──────┘
//! ```
//!
//! - One async lock guards the state. A statement holds it while it runs; so does BEGIN, which is run in a task that
//!   owns the lock, so that dropping the operation cannot cut it in half.
//! - *Doomed* is a fact about the unit, not a state: set once, by a statement that failed, or by one that was dropped
//!   in a unit that may write. A doomed unit refuses further statements and cannot be committed, on every engine alike:
//!   PostgreSQL answers COMMIT with success on an aborted transaction, so the unit has to remember.
//! - How the unit ends is *decided* once, by whoever comes first: the operation that ends, its deadline, or a client
//!   that went away. A COMMIT that was decided is carried through.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Span;

use crate::{
    Access, Database, FailureKind, UnitError,
    connection::Connection,
    effects::Effects,
    error::CommitFailure,
    telemetry::{self, Stats},
};

/// The unit of work of one operation: SeaORM's [`ConnectionTrait`] over a transaction that begins by itself and that
/// its operation finishes.
///
/// It is a handle, cheap to clone. It does not implement `TransactionTrait`: what is inside a unit cannot begin, commit
/// or roll back. A handle that outlives its operation answers [`UnitError::Finished`] to every use.
///
/// # Cancel safety
/// Dropping the future of a statement dooms a unit that may write, because nobody knows whether the statement
/// happened. In a read-only unit it harms nothing: GraphQL drops the siblings of a field that failed.
#[derive(Clone)]
pub struct UnitOfWork {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    access: Access,
    state: Arc<Mutex<State>>,
    /// Set as soon as the unit is being finished: statements that still wait for the lock must not get in.
    closing: AtomicBool,
    doom: OnceLock<FailureKind>,
    ending: OnceLock<Ending>,
    effects: Effects,
    stats: Stats,
    span: Span,
}

enum State {
    Idle,
    Open(Connection),
    Finished,
}

/// How a unit is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    RollBack(Reason),
}

/// Why a unit was rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
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
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No statement was run: nothing was begun.
    Untouched,
    /// A snapshot was read, and let go.
    Read,
    Committed,
    RolledBack(Reason),
    CommitFailed(CommitFailure),
    /// The connection was lost during COMMIT.
    Unknown,
}

impl UnitOfWork {
    pub(crate) fn new(database: Database, access: Access, span: Span) -> Self {
        Self {
            inner: Arc::new(Inner {
                database,
                access,
                state: Arc::new(Mutex::new(State::Idle)),
                closing: AtomicBool::new(false),
                doom: OnceLock::new(),
                ending: OnceLock::new(),
                effects: Effects::default(),
                stats: Stats::default(),
                span,
            }),
        }
    }

    /// What this unit may do.
    #[must_use]
    pub fn access(&self) -> Access {
        self.inner.access
    }

    /// Runs `effect` once, after COMMIT has succeeded and before the client hears of it; never after a rollback.
    ///
    /// Effects run one after another in the order they were registered, in the task that commits: they happen even
    /// if the client has gone meanwhile. A panic in one is logged and harms nothing. An effect is not durable: if the
    /// process dies between COMMIT and the effect, it is lost. What must not be lost is a row, written in the unit.
    ///
    /// In a read-only unit there is nothing to commit, and in a finished one nothing left to wait for: the effect is
    /// dropped.
    pub fn after_commit(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.inner.effects.push(Box::pin(effect));
    }

    /// Why the unit is doomed, if it is.
    pub(crate) fn doom(&self) -> Option<FailureKind> {
        self.inner.doom.get().copied()
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    pub(crate) fn isolation(&self) -> &'static str {
        self.inner.database.isolation(self.inner.access)
    }

    /// Lends the open transaction, and begins it first where this is the first statement.
    async fn lend(&self) -> Result<OwnedMutexGuard<State>, DbErr> {
        let mut state = self.inner.state.clone().lock_owned().await;
        if self.inner.closing.load(Ordering::Acquire) {
            return Err(UnitError::Finished.into());
        }
        if self.doom().is_some() {
            return Err(UnitError::Doomed.into());
        }
        match &*state {
            State::Open(_) => return Ok(state),
            State::Finished => return Err(UnitError::Finished.into()),
            State::Idle => {}
        }
        // A connection that died while it lay idle is noticed by BEGIN. Nothing has happened on it, so another one is
        // taken: a restart of the database costs the pool its idle connections, and no operation its life.
        let mut others = self.inner.database.max_connections();
        loop {
            let connection = self.acquire().await?;
            let (returned, begun) = self.begin(state, connection).await?;
            state = returned;
            match begun {
                Ok(()) => return Ok(state),
                Err(error)
                    if FailureKind::of(&error) == FailureKind::ConnectionLost && others > 0 =>
                {
                    others -= 1;
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    async fn acquire(&self) -> Result<Connection, DbErr> {
        let waited = Instant::now();
        let connection = self.inner.database.acquire(self.inner.access).await;
        self.inner.stats.waited(waited.elapsed());
        let connection = connection.map_err(|error| self.failed(acquire_error(error)))?;
        if self.inner.closing.load(Ordering::Acquire) {
            return Err(UnitError::Finished.into());
        }
        Ok(connection)
    }

    /// Begins in a task that owns the lock: BEGIN must not be cut in half, and the state is left whole whether anybody
    /// still waits for it or not.
    async fn begin(
        &self,
        mut state: OwnedMutexGuard<State>,
        mut connection: Connection,
    ) -> Result<(OwnedMutexGuard<State>, Result<(), DbErr>), DbErr> {
        let unit = self.clone();
        let begun = tokio::spawn(async move {
            let result = connection.begin(unit.inner.access).await;
            if result.is_ok() {
                unit.inner.stats.begun(unit.inner.access);
                *state = State::Open(connection);
            } else {
                connection.close_hard();
            }
            (state, result)
        });
        begun
            .await
            .map_err(|_| self.failed(UnitError::Doomed.into()))
    }

    /// Runs one statement on the transaction.
    async fn statement<T>(
        &self,
        run: impl AsyncFnOnce(&mut Connection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let mut state = self.lend().await?;
        let State::Open(connection) = &mut *state else {
            return Err(UnitError::Finished.into());
        };
        let under_way = UnderWay { unit: self };
        let result = run(connection).await;
        under_way.ended();
        self.inner.stats.statement();
        result.map_err(|error| self.failed(error))
    }

    /// Remembers that a statement failed: from here on the unit can only be rolled back.
    fn failed(&self, error: DbErr) -> DbErr {
        self.inner.doom.get_or_init(|| FailureKind::of(&error));
        error
    }

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
                    if let Some(connection) = unit.take().await {
                        unit.roll_back(connection).await;
                    }
                });
                Outcome::Read
            }
        };
        self.record(&outcome);
        outcome
    }

    /// Commits or rolls back, in a task of its own, and answers when it is done.
    ///
    /// # Cancel safety
    /// Cancel safe: the task goes on.
    pub(crate) async fn finish(&self, requested: Ending) -> Outcome {
        self.inner.closing.store(true, Ordering::Release);
        match self.detached(self.clone().end(requested)) {
            Some(task) => task.await.unwrap_or(Outcome::Unknown),
            None => Outcome::Unknown,
        }
    }

    /// Rolls back without making anybody wait for it.
    pub(crate) fn roll_back_in_background(&self, reason: Reason) {
        self.inner.closing.store(true, Ordering::Release);
        self.detached(self.clone().end(Ending::RollBack(reason)));
    }

    async fn end(self, requested: Ending) -> Outcome {
        let connection = self.take().await;
        let requested = match (self.doom(), requested) {
            (Some(_), Ending::Commit) => Ending::RollBack(Reason::Doomed),
            _ => requested,
        };
        let ending = self.decide(requested);
        let outcome = match (connection, ending) {
            (Some(connection), Ending::Commit) => self.commit(connection).await,
            (Some(connection), Ending::RollBack(reason)) => {
                self.roll_back(connection).await;
                Outcome::RolledBack(reason)
            }
            (None, _) => self.untouched(),
        };
        self.settle(outcome, ending).await
    }

    /// Finishes a unit that never began and that nobody is using; `None` when there is more to do.
    fn close_untouched(&self) -> Option<Outcome> {
        let mut state = self.inner.state.try_lock().ok()?;
        match *state {
            State::Open(_) => None,
            State::Idle | State::Finished => {
                *state = State::Finished;
                Some(self.untouched())
            }
        }
    }

    /// A unit without a transaction: never touched, or one that could not begin.
    fn untouched(&self) -> Outcome {
        match self.doom() {
            Some(_) => Outcome::RolledBack(Reason::Doomed),
            None => Outcome::Untouched,
        }
    }

    /// Takes the transaction out of the unit, for good. Waits for the statement under way: the connection is busy
    /// until it ends, whoever still wants its result.
    async fn take(&self) -> Option<Connection> {
        let mut state = self.inner.state.lock().await;
        match std::mem::replace(&mut *state, State::Finished) {
            State::Open(connection) => Some(connection),
            State::Idle | State::Finished => None,
        }
    }

    async fn commit(&self, mut connection: Connection) -> Outcome {
        let limit = self.inner.database.finish_timeout();
        let outcome = match tokio::time::timeout(limit, connection.commit()).await {
            Ok(Ok(())) => {
                drop(connection);
                Outcome::Committed
            }
            Ok(Err(error)) => {
                tracing::warn!(parent: &self.inner.span, %error, "COMMIT failed");
                let failure = CommitFailure::of(&error);
                match (failure.kind, &error) {
                    (FailureKind::ConnectionLost, _) => {
                        connection.close_hard();
                        Outcome::Unknown
                    }
                    (_, sqlx::Error::Database(_)) => {
                        // SQLite leaves the transaction open after a COMMIT that a deferred constraint refused.
                        self.roll_back(connection).await;
                        Outcome::CommitFailed(failure)
                    }
                    _ => {
                        connection.close_hard();
                        Outcome::Unknown
                    }
                }
            }
            Err(_) => {
                connection.close_hard();
                Outcome::Unknown
            }
        };
        self.inner.stats.held();
        outcome
    }

    /// Rolls back and gives the connection back, or closes it where that cannot be done in time.
    async fn roll_back(&self, mut connection: Connection) {
        let limit = self.inner.database.finish_timeout();
        match tokio::time::timeout(limit, connection.rollback()).await {
            Ok(Ok(())) => drop(connection),
            Ok(Err(_)) | Err(_) => connection.close_hard(),
        }
        self.inner.stats.held();
    }

    /// What follows the end: effects after a commit, and the record in span and metrics.
    async fn settle(&self, outcome: Outcome, ending: Ending) -> Outcome {
        match (&outcome, ending) {
            (Outcome::Committed, _) | (Outcome::Untouched, Ending::Commit) => {
                self.inner.effects.run().await;
            }
            _ => self.inner.effects.discard(),
        }
        self.record(&outcome);
        outcome
    }

    fn record(&self, outcome: &Outcome) {
        telemetry::record(&self.inner.span, &self.inner.stats, outcome);
    }

    /// Spawns what must not be cancelled. Without a runtime (it is going down) the connection's own `Drop` is left to
    /// roll back.
    fn detached<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<tokio::task::JoinHandle<T>> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        Some(runtime.spawn(tracing::Instrument::instrument(
            task,
            self.inner.span.clone(),
        )))
    }
}

impl std::fmt::Debug for UnitOfWork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("UnitOfWork")
            .field("access", &self.inner.access)
            .field("doom", &self.inner.doom)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for UnitOfWork {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.database.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statement(async |connection| connection.execute(statement).await)
            .await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.statement(async |connection| connection.execute_unprepared(sql).await)
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.statement(async |connection| connection.query_one(statement).await)
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.statement(async |connection| connection.query_all(statement).await)
            .await
    }
}

/// A statement that is being run. Dropped before it ended, it dooms a unit that may write.
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
        if self.unit.inner.access == Access::ReadWrite {
            self.unit.inner.doom.get_or_init(|| FailureKind::Other);
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

fn acquire_error(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => {
            DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::ConnectionClosed)
        }
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}
