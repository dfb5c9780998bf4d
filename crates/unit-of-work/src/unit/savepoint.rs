//! Part of a unit that can be undone by itself.
//!
//! ```text
//! unit ──savepoint──> SAVEPOINT ──body──┬─ Ok ──> RELEASE                 what it did is the unit's
//!                                       └─ Err ─> ROLLBACK TO, RELEASE    the unit goes on as if it had not been
//! ```
//!
//! - A savepoint holds the lock of its parent (the unit, or another savepoint) until it ends. Siblings wait, so that none of their
//!   statements can land inside it and be undone with it.
//! - So its own body must not use the parent, and wait for itself. Code that runs inside a body has the body's savepoints in a task-local,
//!   and is refused at once.
//! - A savepoint that code begins itself, as SeaORM's transaction, is in [`begun`](super::begun) until it has ended.
//! - *Failed* is for a savepoint what doomed is for a unit: a statement in it failed, so it refuses others and cannot be kept, on every
//!   engine. ROLLBACK TO ends that, unless no savepoint survives the failure.

use std::{borrow::Cow, sync::Arc};

use sea_orm::{DbBackend, DbErr};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    Access, FailureKind, UnitError, UnitOfWork,
    database::connection::Connection,
    operation::failures,
    unit::{
        State,
        begun::Begun,
        effects::When,
        scope::{INSIDE, Scope, can_mend, innermost},
    },
};

/// Part of a unit of work that can be undone by itself: SeaORM's [`ConnectionTrait`](sea_orm::ConnectionTrait) over a savepoint of the
/// unit's transaction. [`UnitOfWork::savepoint`] makes one and ends it.
///
/// It is also what SeaORM's [`TransactionTrait`](sea_orm::TransactionTrait) begins on a unit or on another savepoint, so that code which
/// wants a transaction of its own has one: the nested saves of `ActiveModelEx`, and `unit.transaction(…)`. Its
/// [`commit`](sea_orm::TransactionSession::commit) keeps the savepoint. It cannot commit the unit, which its operation finishes.
///
/// # Cancel safety
/// Dropping the future of a statement makes the savepoint fail, in a unit that may write: it can only be rolled back. A savepoint
/// that is dropped before it was committed or rolled back dooms what it was begun on: nobody is left to roll back to it.
///
/// ```no_run
/// # use sea_orm::{ConnectionTrait, DbErr};
/// # async fn example(unit: &unit_of_work::UnitOfWork) -> Result<(), DbErr> {
/// use unit_of_work::Savepoint;
///
/// async fn tag(tx: &Savepoint) -> Result<(), DbErr> {
///     tx.execute_unprepared("INSERT INTO tag VALUES ('new')").await?;
///     tx.after_commit(async { println!("tagged") });
///     Ok(())
/// }
///
/// let tagged = unit.savepoint(tag).await;
/// # let _ = tagged; Ok(()) }
/// ```
pub struct Savepoint {
    unit: UnitOfWork,
    lent: Arc<Mutex<Lent>>,
    scope: Arc<Scope>,
    /// A mark of the failures before it, which it does not mend.
    before: u64,
    /// Whether it has ended properly, so that its parent can be used.
    has_ended: bool,
    /// Whether code has begun it and must end it.
    is_begun: bool,
}

/// The lock on its parent that a savepoint holds.
pub(super) enum Lent {
    Unit(OwnedMutexGuard<State>),
    Savepoint(OwnedMutexGuard<Lent>),
    /// The parent has ended first.
    Ended,
}

impl Lent {
    fn connection(&mut self) -> Result<&mut Connection, DbErr> {
        match self {
            Self::Unit(state) => state.connection(),
            Self::Savepoint(outer) => outer.connection(),
            Self::Ended => Err(UnitError::Finished.into()),
        }
    }
}

impl UnitOfWork {
    /// Runs `body` on a savepoint, which is kept if `body` returns `Ok`, and otherwise undone. In both cases the unit goes on.
    ///
    /// While it runs, statements of sibling fields wait, so that they cannot be undone with it. It begins the unit's transaction if nothing
    /// else has.
    ///
    /// ```no_run
    /// # use sea_orm::{ConnectionTrait, DbErr};
    /// # use unit_of_work::UnitOfWork;
    /// # async fn example(unit: &UnitOfWork) -> Result<(), DbErr> {
    /// let tagged = unit
    ///     .savepoint(async |tx| tx.execute_unprepared("INSERT INTO tag VALUES ('new')").await)
    ///     .await;
    /// if tagged.is_err() {
    ///     // It was there already; nothing of the attempt is left, and the unit is as it was.
    ///     unit.execute_unprepared("UPDATE tag SET uses = uses + 1 WHERE name = 'new'").await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// If `body` is undone, its effects ([`UnitOfWork::after_commit`], [`Savepoint::after_commit`]) are dropped.
    ///
    /// **Inside `body`, the unit itself is refused** ([`UnitError::InsideSavepoint`]), and so are loaders, which read through it: use the
    /// savepoint. A task that the body spawns counts as a sibling, and waits until the savepoint ends. A body that waits for such a task,
    /// or for a loader's batch that a sibling field has started, waits until the operation's deadline.
    ///
    /// SAVEPOINT, RELEASE and ROLLBACK TO are not counted among the unit's statements.
    ///
    /// # Errors
    /// - Those of `body`.
    /// - [`UnitError::SavepointFailed`] if `body` returns `Ok` although a statement in it failed or was abandoned.
    /// - Those of a statement on the unit, if there can be no savepoint.
    ///
    /// A serialization failure, a deadlock, a busy database or a lost connection inside also dooms the unit, since no savepoint survives
    /// them. So does a ROLLBACK TO that fails, for example because SQLite has rolled back the whole transaction. A statement that timed
    /// out, or a lock that could not be taken, does not.
    ///
    /// # Cancel safety
    /// Dropping the future dooms the unit, even a read-only one, since nothing is left that rolls back to the savepoint.
    pub async fn savepoint<T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&Savepoint) -> Result<T, E>,
        E: From<DbErr>,
    {
        let lent = Lent::Unit(self.lend().await?);
        let outer = self.innermost_scope();
        Savepoint::open(self.clone(), lent, outer)
            .await?
            .run(body)
            .await
    }

    /// Begins a savepoint that the caller ends.
    pub(super) async fn begin_savepoint(&self) -> Result<Savepoint, DbErr> {
        let lent = Lent::Unit(self.lend().await?);
        let outer = self.innermost_scope();
        Ok(Savepoint::open(self.clone(), lent, outer).await?.begun())
    }
}

impl Savepoint {
    async fn open(unit: UnitOfWork, lent: Lent, outer: Option<Arc<Scope>>) -> Result<Self, DbErr> {
        let savepoint = Self {
            scope: Arc::new(Scope::new(unit.id(), outer)),
            lent: Arc::new(Mutex::new(lent)),
            before: unit.failures().mark(),
            has_ended: false,
            is_begun: false,
            unit,
        };
        // Dropped half way, it dooms.
        savepoint.control(&savepoint.scope.open()).await?;
        savepoint.scope.has_opened();
        Ok(savepoint)
    }

    /// From now on, the code that has begun it is refused its parent.
    fn begun(mut self) -> Self {
        self.is_begun = true;
        self.unit
            .note_begun(Begun::new(self.scope.clone(), self.lent.clone()));
        self
    }

    /// Begins a savepoint inside this one, that the caller ends.
    pub(super) async fn begin_savepoint(&self) -> Result<Savepoint, DbErr> {
        let lent = Lent::Savepoint(self.lend().await?);
        let inner = Self::open(self.unit.clone(), lent, Some(self.scope.clone()));
        Ok(inner.await?.begun())
    }

    pub(super) fn unit(&self) -> &UnitOfWork {
        &self.unit
    }

    /// Runs `body` on a savepoint inside this one, as [`UnitOfWork::savepoint`] does inside the unit: this one is
    /// refused inside `body`.
    ///
    /// # Errors
    /// Those of [`UnitOfWork::savepoint`].
    ///
    /// # Cancel safety
    /// Dropping the future makes this savepoint fail: it can only be rolled back.
    pub async fn savepoint<T, E, F>(&self, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&Savepoint) -> Result<T, E>,
        E: From<DbErr>,
    {
        let lent = Lent::Savepoint(self.lend().await?);
        Self::open(self.unit.clone(), lent, Some(self.scope.clone()))
            .await?
            .run(body)
            .await
    }

    /// Registers an effect, as [`UnitOfWork::after_commit`] does. It is dropped if this savepoint is rolled back.
    pub fn after_commit(&self, effect: impl Future<Output = ()> + Send + 'static) {
        let scope = Some(self.scope.clone());
        self.unit
            .effects()
            .push(scope, When::Committed, Box::pin(effect));
    }

    /// Names a row that was inserted in this savepoint, as [`UnitOfWork::evidence`] does; it is forgotten if this savepoint is
    /// rolled back.
    pub fn evidence(&self, table: impl Into<Cow<'static, str>>, id: impl Into<sea_orm::Value>) {
        let scope = Some(self.scope.clone());
        self.unit.name_evidence(scope, table, id);
    }

    async fn run<T, E, F>(self, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&Savepoint) -> Result<T, E>,
        E: From<DbErr>,
    {
        let result = self.inside(body(&self)).await;
        match result {
            Ok(answer) => {
                self.keep().await?;
                Ok(answer)
            }
            Err(error) => {
                // The body's own error says more than that of a failed ROLLBACK TO, which has doomed the unit.
                let _ = self.undo().await;
                Err(error)
            }
        }
    }

    /// Runs the savepoint's own code, to which its parent is refused.
    pub(super) fn inside<T>(&self, body: impl Future<Output = T>) -> impl Future<Output = T> {
        let mut inside = INSIDE.try_with(Clone::clone).unwrap_or_default();
        inside.push(self.scope.clone());
        INSIDE.scope(inside, body)
    }

    /// Keeps what was done in it. If something in it has failed, it is undone instead.
    pub(super) async fn keep(mut self) -> Result<(), DbErr> {
        if self.unit.end_begun(Some(&self.scope)).await {
            self.scope.fail(FailureKind::Other);
        }
        if self.unit.doom().is_some() {
            return Err(self.unit.noted(UnitError::Doomed.into()));
        }
        if self.scope.failure().is_some() {
            let unit = self.unit.clone();
            self.undo().await?;
            return Err(unit.noted(UnitError::SavepointFailed.into()));
        }
        self.control(&self.scope.keep()).await?;
        self.has_ended = true;
        Ok(())
    }

    /// Undoes what was done in it.
    pub(super) async fn undo(mut self) -> Result<(), DbErr> {
        self.unit.end_begun(Some(&self.scope)).await;
        // The whole unit will be rolled back.
        if self.unit.doom().is_some() {
            return Ok(());
        }
        self.unit.discard_within(&self.scope);
        self.control(&self.scope.undo()).await?;
        self.has_ended = true;
        self.unit.failures().mended_since(self.before);
        Ok(())
    }

    /// Sends SAVEPOINT, RELEASE or ROLLBACK TO. If one of them fails, the state of the transaction is wrong, so the unit is doomed.
    async fn control(&self, sql: &str) -> Result<(), DbErr> {
        let mut lent = self.lent.lock().await;
        let sent = lent.connection()?.control(sql).await;
        sent.map_err(|error| self.unit.failed(self.unit.noted(error)))
    }

    /// Lends the connection to one statement, or to a savepoint inside this one.
    async fn lend(&self) -> Result<OwnedMutexGuard<Lent>, DbErr> {
        self.refuse_inside()?;
        let lent = match self.lent.clone().try_lock_owned() {
            Ok(lent) => lent,
            Err(_) => {
                self.unit.refuse_begun(Some(&self.scope))?;
                self.lent.clone().lock_owned().await
            }
        };
        let refused = self.unit.refusal().or_else(|| {
            let failed = self.scope.failure();
            failed.map(|_| UnitError::SavepointFailed)
        });
        match refused {
            None => Ok(lent),
            Some(error) => {
                self.scope.fail(FailureKind::Other);
                Err(self.unit.noted(error.into()))
            }
        }
    }

    /// Refuses code that uses this savepoint from inside one that was made from it.
    fn refuse_inside(&self) -> Result<(), DbErr> {
        match innermost(self.unit.id()) {
            Some(inner) if inner.is_within(&self.scope) && !Arc::ptr_eq(&inner, &self.scope) => {
                inner.fail(FailureKind::Other);
                Err(UnitError::InsideSavepoint.into())
            }
            _ => Ok(()),
        }
    }

    fn backend(&self) -> DbBackend {
        self.unit.backend()
    }

    /// Runs one statement.
    async fn statement<T>(
        &self,
        run: impl AsyncFnOnce(&mut Connection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let mut lent = self.lend().await?;
        let connection = lent.connection()?;
        let under_way = UnderWay { savepoint: self };
        let result = run(connection).await;
        under_way.ended();
        self.unit.stats().statement();
        result.map_err(|error| self.failed(error))
    }

    /// Notes that a statement failed, and dooms the unit too if ROLLBACK TO cannot mend it.
    fn failed(&self, error: DbErr) -> DbErr {
        let error = self.unit.noted(error);
        let kind = self.unit.kind_of(&error);
        self.scope.fail(kind);
        if can_mend(kind) {
            error
        } else {
            self.unit.failed(error)
        }
    }
}

impl std::fmt::Debug for Savepoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Savepoint")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

crate::database::connection_trait::lend_as_connection_trait!(Savepoint);

impl Drop for Savepoint {
    /// If it has not ended properly, its parent cannot be used.
    fn drop(&mut self) {
        let was_open = !self.is_begun || self.unit.forget_begun(&self.scope);
        if self.has_ended || !was_open {
            return;
        }
        match self.scope.outer() {
            Some(outer) => outer.fail(FailureKind::Other),
            None => self.unit.abandoned(),
        }
    }
}

/// A statement under way. If it is dropped before its end, the savepoint of a unit that may write fails.
struct UnderWay<'a> {
    savepoint: &'a Savepoint,
}

impl UnderWay<'_> {
    fn ended(self) {
        std::mem::forget(self);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.savepoint.unit.access() == Access::ReadWrite {
            failures::note_abandoned(&self.savepoint.unit);
            self.savepoint.scope.fail(FailureKind::Other);
        }
    }
}
