//! The unit: a transaction that is begun by the first statement, lent to one statement at a time, and finished once.
//!
//! ```text
//! Idle ──first statement──> Open ──finish──> Finished
//!   ├──────────finish (nothing was begun)──────┤
//!   └──statement──> WithoutTransaction ──its end──> Spent ──┘
//! ```
//! The last line is a query that is expected to make one statement (see [`snapshots`](crate::retry::snapshots)). A second one is refused.
//!
//! - One async lock guards the state. A statement holds it while it runs. BEGIN owns it and goes on if the operation is dropped, so that it
//!   cannot be interrupted.
//! - *Doomed* is a fact about the unit, and not a state. It is set once, by a statement that failed, or that was dropped in a unit that may
//!   write. A doomed unit refuses
//!   further statements and cannot be committed, on every engine: PostgreSQL answers COMMIT with success on an aborted transaction, so the
//!   unit itself must remember. Inside a savepoint, such a statement fails the savepoint instead (see `savepoint`).
//! - [`fate`] decides how a unit will end, and which fact takes precedence; [`ending`] carries it out.

pub(crate) mod detached_on_drop;
pub(crate) mod effects;
pub(crate) mod evidence;
pub(crate) mod finisher;
pub(crate) mod group;
pub mod marker;
pub(crate) mod outside;
pub(crate) mod savepoint;
pub(crate) mod scope;
pub(crate) mod terms;

mod begun;
mod board;
mod commit;
mod deferred;
mod doom;
mod ending;
mod fate;
mod lend;
mod registration;
mod roll_back;
mod seen;
mod transaction;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::{DbBackend, DbErr, IsolationLevel};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tracing::Span;

pub(crate) use ending::{Ending, Outcome, Reason, RollBackOnDrop};
pub(crate) use fate::{Answer, Fate, Told, answer_late};
pub(crate) use lend::acquire_error;

use crate::{
    Access, ConsistencyToken, Database, FailureKind, SessionSettings, UnitError,
    database::{connection::Connection, engine::Peer},
    look_up::LookUps,
    observe::{telemetry::Stats, timeline::Timeline},
    operation::failures::{self, Failures},
    retry::notes::Notes,
    unit::{
        effects::Effects,
        evidence::Named,
        group::Names,
        scope::Scope,
        terms::{Terms, stricter},
    },
};

/// The unit of work of one operation: SeaORM's [`ConnectionTrait`](sea_orm::ConnectionTrait) over a transaction that begins by itself and
/// that its operation finishes.
///
/// It is a handle, cheap to clone. Every use of a handle that outlives its operation fails with [`UnitError::Finished`].
///
/// SeaORM's [`TransactionTrait`](sea_orm::TransactionTrait) begins a [`Savepoint`](crate::Savepoint) on it, for code that wants a
/// transaction of its own, such as SeaORM's nested saves. It cannot commit the unit. While it is open, the code that has begun it cannot
/// use the unit, and statements of sibling fields wait. It has the isolation and access of the unit; stricter options are refused
/// ([`UnitError::SavepointTerms`]). If it is dropped before its end, the unit is doomed. In your own code, prefer
/// [`UnitOfWork::savepoint`], which always ends its savepoint.
///
/// ```no_run
/// # use sea_orm::{ConnectionTrait, DbErr, TransactionSession, TransactionTrait};
/// # async fn example(unit: &unit_of_work::UnitOfWork) -> Result<(), DbErr> {
/// let transaction = unit.begin().await?;
/// transaction.execute_unprepared("INSERT INTO tag VALUES ('new')").await?;
/// transaction.commit().await?; // kept, when the operation commits
/// # Ok(()) }
/// ```
///
/// It does not implement `StreamTrait`: a stream that is kept open would keep the unit from everybody else.
///
/// ```compile_fail
/// # async fn example(unit: &unit_of_work::UnitOfWork) {
/// sea_orm::StreamTrait::stream_raw(unit, sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "")).await;
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future of a statement dooms a unit that may write, because it is not known whether the statement happened. In a read-only
/// unit it does no harm: GraphQL drops the siblings of a field that failed.
#[derive(Clone)]
pub struct UnitOfWork {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    terms: Terms,
    state: Arc<Mutex<State>>,
    /// Set as soon as the unit is being finished, so that statements that still wait for the lock do not run.
    closing: AtomicBool,
    doom: OnceLock<FailureKind>,
    /// The failures, with their fields. They tell which errors are the database's.
    failures: Failures,
    /// A second statement arrived on a unit that runs without a transaction.
    needs_snapshot: AtomicBool,
    rollback_only: OnceLock<String>,
    ending: OnceLock<Ending>,
    /// Who takes the transaction out of the unit.
    leaver: OnceLock<Leaver>,
    /// Notified when the group has taken it.
    overstayed: Notify,
    /// The names of what it is going to lock.
    names: OnceLock<Names>,
    /// Whether others have written, or may have written, in the unit's transaction.
    in_group: AtomicBool,
    effects: Effects,
    evidence: Named,
    /// The other end of the connection, while the unit has one. Whoever takes it may stop its statement. Meanwhile the connection must not
    /// go back to its pool, where the order could stop another unit's statement.
    peer: std::sync::Mutex<Option<Peer>>,
    /// Whether an order to stop a statement was certainly carried out, if there was one.
    stopped: OnceLock<bool>,
    /// What the unit has written, or can have seen.
    seen: OnceLock<ConsistencyToken>,
    /// The savepoint of the root field that is being resolved, where root fields have one.
    field: std::sync::Mutex<Option<Arc<Scope>>>,
    /// The savepoints that code has begun and has not ended yet.
    begun: std::sync::Mutex<Vec<begun::Begun>>,
    stats: Stats,
    span: Span,
}

pub(crate) enum State {
    Idle,
    Open(Connection),
    /// The one statement is under way, without a transaction.
    WithoutTransaction(Connection),
    /// The one statement has ended, or was shared with other operations.
    Spent,
    Finished,
}

impl State {
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, DbErr> {
        match self {
            Self::Open(connection) | Self::WithoutTransaction(connection) => Ok(connection),
            Self::Idle | Self::Spent | Self::Finished => Err(UnitError::Finished.into()),
        }
    }
}

/// Who takes the transaction out of a unit. Only one may, since it may have to stop a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaver {
    /// The unit's own end.
    Unit,
    /// Its group, because the unit keeps the others waiting.
    Group,
}

/// The outcome of a unit that is undone with its group, or for the group's sake.
const UNDONE_WITH_OTHERS: Outcome = Outcome::RolledBack(Reason::SharedCommit);

/// Identifies a unit while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitId(usize);

impl UnitOfWork {
    pub(crate) fn new(database: Database, terms: Terms, span: Span) -> Self {
        Self {
            inner: Arc::new(Inner {
                database,
                terms,
                state: Arc::new(Mutex::new(State::Idle)),
                closing: AtomicBool::new(false),
                doom: OnceLock::new(),
                failures: Failures::default(),
                needs_snapshot: AtomicBool::new(false),
                rollback_only: OnceLock::new(),
                ending: OnceLock::new(),
                leaver: OnceLock::new(),
                overstayed: Notify::new(),
                names: OnceLock::new(),
                in_group: AtomicBool::new(false),
                effects: Effects::default(),
                evidence: Named::default(),
                peer: std::sync::Mutex::default(),
                stopped: OnceLock::new(),
                seen: OnceLock::new(),
                field: std::sync::Mutex::default(),
                begun: std::sync::Mutex::default(),
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

    /// Whether the unit has no more handles than these.
    #[cfg(feature = "axum")]
    pub(crate) fn is_only_with(&self, handles: usize) -> bool {
        Arc::strong_count(&self.inner) <= handles
    }

    pub(crate) fn id(&self) -> UnitId {
        UnitId(Arc::as_ptr(&self.inner).addr())
    }

    /// The savepoint of the root field that is being resolved.
    pub(crate) fn field(&self) -> std::sync::MutexGuard<'_, Option<Arc<Scope>>> {
        // Nothing can panic while the lock is held.
        let field = self.inner.field.lock();
        field.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn peer(&self) -> std::sync::MutexGuard<'_, Option<Peer>> {
        // Nothing can panic while the lock is held.
        let peer = self.inner.peer.lock();
        peer.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits for the statement under way, and prevents others.
    pub(crate) async fn hold(&self) -> OwnedMutexGuard<State> {
        self.inner.state.clone().lock_owned().await
    }

    /// Whether the operation makes more than one statement, and must be run again in a transaction.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.inner.needs_snapshot.load(Ordering::Acquire)
    }

    /// Why the unit is doomed, if it is.
    pub(crate) fn doom(&self) -> Option<FailureKind> {
        self.inner.doom.get().copied()
    }

    /// The unit's fate so far.
    pub(crate) fn fate(&self) -> Fate {
        Fate::of(self.doom(), self.rollback_only().is_some())
    }

    pub(crate) fn failures(&self) -> &Failures {
        &self.inner.failures
    }

    pub(crate) fn span(&self) -> &Span {
        &self.inner.span
    }

    pub(crate) fn deadline(&self) -> Option<tokio::time::Instant> {
        self.inner.terms.deadline.map(|deadline| deadline.at)
    }

    /// Notes an error that is returned to the application.
    pub(crate) fn noted(&self, error: DbErr) -> DbErr {
        failures::note(self, &error);
        let writes = self.access() == Access::ReadWrite;
        let health = self.inner.database.health();
        health.failed(FailureKind::of(&error), writes);
        error
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    pub(crate) fn timeline(&self) -> Option<&Arc<Timeline>> {
        self.inner.terms.timeline.as_ref()
    }

    /// This attempt's notes for the next one, if there can be one.
    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.inner.terms.notes.as_deref()
    }

    pub(crate) fn settings(&self) -> &SessionSettings {
        &self.inner.terms.settings
    }

    pub(crate) fn isolation(&self) -> IsolationLevel {
        let own = self.inner.database.isolation(self.inner.terms.access);
        self.inner
            .terms
            .isolation
            .map_or(own, |asked| stricter(own, asked))
    }

    /// Makes sure that the unit is rolled back, whatever the resolvers return. The response then has no data, and the error `ROLLBACK_ONLY`
    /// with this reason, which clients see. Only the first reason counts.
    pub fn set_rollback_only(&self, reason: impl Into<String>) {
        self.inner.rollback_only.get_or_init(|| reason.into());
    }

    pub(crate) fn rollback_only(&self) -> Option<&str> {
        self.inner.rollback_only.get().map(String::as_str)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    pub(crate) fn look_ups(&self) -> &LookUps {
        self.inner.database.look_ups()
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.inner.database.backend()
    }

    /// Whether the unit has not begun because the database cannot be reached.
    pub(crate) fn waits_for_database(&self) -> bool {
        let database = &self.inner.database;
        !self.stats().has_begun() && database.is_out_of_reach(self.inner.terms.access)
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

crate::database::connection_trait::lend_as_connection_trait!(UnitOfWork);
