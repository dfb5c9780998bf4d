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
//!   Within a savepoint such a statement fails the savepoint instead, as `savepoint` says.
//! - How the unit ends is *decided* once, by whoever comes first: the operation that ends, its deadline, or a client
//!   that went away. A COMMIT that was decided is carried through.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult, RuntimeErr,
    Statement,
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Span;

use crate::{
    Access, Database, FailureKind, UnitError,
    begin::{Begin, Identity},
    connection::Connection,
    database::Verdict,
    effects::{Effects, When},
    error::CommitFailure,
    savepoint::{self, FieldScope, Scope},
    telemetry::{self, Stats},
    terms::{Terms, stricter},
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
    terms: Terms,
    state: Arc<Mutex<State>>,
    /// Set as soon as the unit is being finished: statements that still wait for the lock must not get in.
    closing: AtomicBool,
    doom: OnceLock<FailureKind>,
    rollback_only: OnceLock<String>,
    ending: OnceLock<Ending>,
    effects: Effects,
    /// The savepoint of the root field that is being resolved, where root fields have one.
    field: std::sync::Mutex<Option<Arc<FieldScope>>>,
    stats: Stats,
    span: Span,
}

pub(crate) enum State {
    Idle,
    Open(Connection),
    Finished,
}

impl State {
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, DbErr> {
        match self {
            Self::Open(connection) => Ok(connection),
            Self::Idle | Self::Finished => Err(UnitError::Finished.into()),
        }
    }
}

/// Tells units apart while they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitId(usize);

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
    /// [`UnitOfWork::set_rollback_only`].
    RollbackOnly,
    /// It was a dry run.
    DryRun,
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
    /// The connection was lost during COMMIT.
    Unknown,
}

impl UnitOfWork {
    pub(crate) fn new(database: Database, terms: Terms, span: Span) -> Self {
        Self {
            inner: Arc::new(Inner {
                database,
                terms,
                state: Arc::new(Mutex::new(State::Idle)),
                closing: AtomicBool::new(false),
                doom: OnceLock::new(),
                rollback_only: OnceLock::new(),
                ending: OnceLock::new(),
                effects: Effects::default(),
                field: std::sync::Mutex::default(),
                stats: Stats::default(),
                span,
            }),
        }
    }

    /// What this unit may do.
    #[must_use]
    pub fn access(&self) -> Access {
        self.inner.terms.access
    }

    /// Runs `effect` once, after COMMIT has succeeded and before the client hears of it; never after a rollback.
    ///
    /// Effects run one after another in the order they were registered, in the task that commits: they happen even
    /// if the client has gone meanwhile. A panic in one is logged and harms nothing. An effect is not durable: if the
    /// process dies between COMMIT and the effect, it is lost. What must not be lost is a row, written in the unit.
    ///
    /// In a read-only unit there is nothing to commit, and in a finished one nothing left to wait for: the effect is
    /// dropped. Inside a savepoint it belongs to the savepoint, and is dropped if that is rolled back.
    ///
    /// The response waits for it. For what may take its time there is [`UnitOfWork::after_commit_detached`].
    pub fn after_commit(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.register(When::Committed, Box::pin(effect));
    }

    /// As [`UnitOfWork::after_commit`], but the response does not wait for it, and effects registered later do not either.
    /// [`Database::close`] does, so that a server that stops leaves none half done.
    pub fn after_commit_detached(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.register(When::CommittedDetached, Box::pin(effect));
    }

    /// Runs `effect` once, after the unit was rolled back, for whatever reason: to give back what was reserved elsewhere.
    /// An operation that is run again after a conflict has rolled back once for each attempt that lost. Where the outcome
    /// of a COMMIT is not known, neither this nor [`UnitOfWork::after_commit`] runs.
    pub fn after_rollback(&self, effect: impl Future<Output = ()> + Send + 'static) {
        self.register(When::RolledBack, Box::pin(effect));
    }

    fn register(&self, when: When, effect: BoxFuture<'static, ()>) {
        let scope = savepoint::innermost(self.id()).or_else(|| self.field_scope());
        self.inner.effects.push(scope, when, effect);
    }

    pub(crate) fn id(&self) -> UnitId {
        UnitId(Arc::as_ptr(&self.inner).addr())
    }

    pub(crate) fn effects(&self) -> &Effects {
        &self.inner.effects
    }

    /// The savepoint of the root field that is being resolved.
    pub(crate) fn field(&self) -> std::sync::MutexGuard<'_, Option<Arc<FieldScope>>> {
        // Nothing can panic while the lock is held.
        let field = self.inner.field.lock();
        field.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn field_scope(&self) -> Option<Arc<Scope>> {
        self.field().as_ref().map(|field| field.scope.clone())
    }

    /// Waits for the statement under way, and keeps others out.
    pub(crate) async fn hold(&self) -> OwnedMutexGuard<State> {
        self.inner.state.clone().lock_owned().await
    }

    /// Why the unit is doomed, if it is.
    pub(crate) fn doom(&self) -> Option<FailureKind> {
        self.inner.doom.get().copied()
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    pub(crate) fn isolation(&self) -> IsolationLevel {
        let own = self.inner.database.isolation(self.inner.terms.access);
        self.inner
            .terms
            .isolation
            .map_or(own, |asked| stricter(own, asked))
    }

    /// How this unit begins. What the session does by itself is not said again.
    fn begin_statement(&self) -> Begin {
        let (database, terms) = (&self.inner.database, &self.inner.terms);
        let own = database.isolation(terms.access);
        let isolation = self.isolation();
        let statement_timeout = terms.deadline.and_then(|deadline| {
            (deadline.limit < database.statement_timeout()).then(|| {
                deadline
                    .at
                    .saturating_duration_since(tokio::time::Instant::now())
            })
        });
        Begin {
            access: terms.access,
            isolation: (isolation != own).then_some(isolation),
            statement_timeout,
            settings: terms.settings.clone(),
            identify: terms.access == Access::ReadWrite,
        }
    }

    /// Checks now what would be checked at COMMIT. For a dry run.
    ///
    /// # Errors
    /// [`CommitFailure`], as COMMIT would answer.
    pub(crate) async fn check_deferred(&self) -> Result<(), CommitFailure> {
        if !self.stats().has_begun() || self.doom().is_some() {
            return Ok(());
        }
        let checked = match self.get_database_backend() {
            DbBackend::Sqlite => self.sqlite_orphan().await,
            _ => self
                .execute_unprepared("SET CONSTRAINTS ALL IMMEDIATE")
                .await
                .map(|_| None),
        };
        match checked {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(failure),
            Err(error) => Err(CommitFailure::of_db_err(&error)),
        }
    }

    /// SQLite counts deferred violations but checks them only at COMMIT; this looks at every row that has a foreign key.
    async fn sqlite_orphan(&self) -> Result<Option<CommitFailure>, DbErr> {
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA foreign_key_check");
        let orphan = self.query_one_raw(check).await?;
        Ok(orphan.map(|_| CommitFailure {
            kind: FailureKind::Constraint,
            constraint: None,
        }))
    }

    /// Makes sure that the unit is rolled back, whatever the resolvers answer: the response then has no data and the
    /// error `ROLLBACK_ONLY` with this reason, which clients see. The first reason holds.
    pub fn set_rollback_only(&self, reason: impl Into<String>) {
        self.inner.rollback_only.get_or_init(|| reason.into());
    }

    pub(crate) fn rollback_only(&self) -> Option<&str> {
        self.inner.rollback_only.get().map(String::as_str)
    }

    /// Why the unit takes no more statements, if it does not.
    pub(crate) fn refusal(&self) -> Option<UnitError> {
        if self.inner.closing.load(Ordering::Acquire) {
            return Some(UnitError::Finished);
        }
        if self.doom().is_some() {
            return Some(UnitError::Doomed);
        }
        let field = self.field_scope()?;
        field.failure().map(|_| UnitError::SavepointFailed)
    }

    /// Lends the open transaction, and begins it first where this is the first statement.
    pub(crate) async fn lend(&self) -> Result<OwnedMutexGuard<State>, DbErr> {
        savepoint::refuse_inside(self.id())?;
        let mut state = self.hold().await;
        if let Some(refusal) = self.refusal() {
            return Err(refusal.into());
        }
        match &*state {
            State::Open(_) => return self.open_field(state).await,
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
                Ok(()) => return self.open_field(state).await,
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
        let connection = self.inner.database.acquire(self.inner.terms.access).await;
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
            let result = connection.begin(&unit.begin_statement()).await;
            if result.is_ok() {
                unit.inner.stats.begun(unit.inner.terms.access);
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
        let connection = state.connection()?;
        let under_way = UnderWay { unit: self };
        let result = run(connection).await;
        under_way.ended();
        self.inner.stats.statement();
        result.map_err(|error| self.statement_failed(error))
    }

    /// Remembers that a statement failed: from here on the unit can only be rolled back.
    pub(crate) fn failed(&self, error: DbErr) -> DbErr {
        self.inner.doom.get_or_init(|| FailureKind::of(&error));
        error
    }

    /// Remembers that a statement failed: what it was part of can only be rolled back.
    fn statement_failed(&self, error: DbErr) -> DbErr {
        let kind = FailureKind::of(&error);
        match self.field_scope() {
            Some(field) if savepoint::can_mend(kind) => {
                field.fail(kind);
                error
            }
            _ => self.failed(error),
        }
    }

    /// Remembers that something was dropped half way: what it was part of can only be rolled back.
    pub(crate) fn abandoned(&self) {
        match self.field_scope() {
            Some(field) => field.fail(FailureKind::Other),
            None => self.doom_with(FailureKind::Other),
        }
    }

    pub(crate) fn doom_with(&self, kind: FailureKind) {
        self.inner.doom.get_or_init(|| kind);
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
        let requested = match requested {
            Ending::Commit if self.doom().is_some() => Ending::RollBack(Reason::Doomed),
            Ending::Commit if self.rollback_only().is_some() => {
                Ending::RollBack(Reason::RollbackOnly)
            }
            _ => requested,
        };
        let ending = self.decide(requested);
        let outcome = match (connection, ending) {
            (Some(connection), Ending::Commit) => self.commit(connection).await,
            (Some(connection), Ending::RollBack(reason)) => {
                self.roll_back(connection).await;
                Outcome::RolledBack(reason)
            }
            (Some(connection), Ending::Replay) => {
                self.roll_back(connection).await;
                Outcome::Replayed
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
        match (self.doom(), self.rollback_only()) {
            (Some(_), _) => Outcome::RolledBack(Reason::Doomed),
            (None, Some(_)) => Outcome::RolledBack(Reason::RollbackOnly),
            (None, None) => Outcome::Untouched,
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
        let answer = tokio::time::timeout(limit, connection.commit()).await;
        let outcome = match answer {
            Ok(Ok(())) => {
                drop(connection);
                Outcome::Committed
            }
            Ok(Err(error)) if is_refusal(&error) => {
                tracing::warn!(parent: &self.inner.span, %error, "COMMIT was refused");
                // SQLite leaves the transaction open after a COMMIT that a deferred constraint refused.
                self.roll_back(connection).await;
                Outcome::CommitFailed(CommitFailure::of(&error))
            }
            lost => {
                tracing::warn!(parent: &self.inner.span, ?lost, "COMMIT was not answered");
                let identity = connection.identity();
                connection.close_hard();
                self.outcome_of(identity).await
            }
        };
        self.inner.stats.held();
        outcome
    }

    /// Finds out what became of a COMMIT that was not answered.
    async fn outcome_of(&self, identity: Option<Identity>) -> Outcome {
        let Some(identity) = identity else {
            return Outcome::Unknown;
        };
        let verdict = self.inner.database.verdict(&identity).await;
        tracing::warn!(parent: &self.inner.span, ?verdict, "the database was asked for the outcome of a COMMIT");
        match verdict {
            Verdict::Committed => Outcome::Committed,
            Verdict::Aborted => Outcome::CommitFailed(CommitFailure {
                kind: FailureKind::ConnectionLost,
                constraint: None,
            }),
            Verdict::Unknown => Outcome::Unknown,
        }
    }

    /// Rolls back and gives the connection back, or closes it where that cannot be done in time.
    async fn roll_back(&self, mut connection: Connection) {
        let limit = self.inner.database.finish_timeout();
        let rollback = async {
            match connection.rollback().await {
                // The error of a statement that was abandoned, which nobody has read yet: the rollback itself comes next.
                Err(error) if is_refusal(&error) => connection.rollback().await,
                ended => ended,
            }
        };
        match tokio::time::timeout(limit, rollback).await {
            Ok(Ok(())) => drop(connection),
            Ok(Err(_)) | Err(_) => connection.close_hard(),
        }
        self.inner.stats.held();
    }

    /// What follows the end: effects, and the record in span and metrics.
    async fn settle(&self, outcome: Outcome, ending: Ending) -> Outcome {
        let effects = &self.inner.effects;
        match (&outcome, ending) {
            (Outcome::Committed, _) | (Outcome::Untouched, Ending::Commit) => {
                effects.committed(self.inner.database.detached()).await;
            }
            (Outcome::RolledBack(_) | Outcome::CommitFailed(_), _)
            | (Outcome::Untouched, Ending::RollBack(_)) => effects.rolled_back().await,
            (Outcome::Unknown | Outcome::Replayed | Outcome::Read, _)
            | (Outcome::Untouched, Ending::Replay) => effects.discard(),
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
            .field("access", &self.inner.terms.access)
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
        if self.unit.inner.terms.access == Access::ReadWrite {
            self.unit.abandoned();
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

/// Whether the database has answered, and has refused: nothing happened, for certain.
fn is_refusal(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_))
        && FailureKind::of_driver(error) != FailureKind::ConnectionLost
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
