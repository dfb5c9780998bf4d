//! The stack of a unit's savepoints: the root field's, where root fields have one, and inside of it those of
//! [`UnitOfWork::savepoint`].
//!
//! ```text
//! unit ── root field (operation/field_savepoints) ── savepoint ── savepoint ── …
//!         one at a time, opened by its first         each knows the one that it is inside of
//!         statement
//! ```
//! Effects and evidence belong to the innermost savepoint, and are dropped when it, or one around it, is undone. A failure fails the
//! innermost savepoint, and the unit too if no savepoint survives it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use futures_util::task::FutureObj;
use sea_orm::DbErr;
use tokio::sync::OwnedMutexGuard;

use super::{State, UnitId, UnitOfWork};
use crate::{FailureKind, UnitError, operation::failures};

tokio::task_local! {
    /// The savepoints in whose bodies the running code is, outermost first.
    pub(super) static INSIDE: Vec<Arc<Scope>>;
}

/// One savepoint, as code inside it knows it.
#[derive(Debug)]
pub(crate) struct Scope {
    unit: UnitId,
    outer: Option<Arc<Scope>>,
    depth: usize,
    /// Whether SAVEPOINT was sent. A root field's savepoint is opened by its first statement.
    is_open: AtomicBool,
    failure: OnceLock<FailureKind>,
}

impl Scope {
    pub(super) fn new(unit: UnitId, outer: Option<Arc<Scope>>) -> Self {
        Self {
            unit,
            depth: outer.as_ref().map_or(1, |outer| outer.depth + 1),
            outer,
            is_open: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    /// Whether this is `other`, or inside it.
    pub(crate) fn is_within(&self, other: &Scope) -> bool {
        std::ptr::eq(self, other)
            || self
                .outer
                .as_ref()
                .is_some_and(|outer| outer.is_within(other))
    }

    pub(crate) fn fail(&self, kind: FailureKind) {
        self.failure.get_or_init(|| kind);
    }

    pub(crate) fn failure(&self) -> Option<FailureKind> {
        self.failure.get().copied()
    }

    /// The savepoint around this one.
    pub(super) fn outer(&self) -> Option<&Scope> {
        self.outer.as_deref()
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Notes that SAVEPOINT was sent.
    pub(super) fn has_opened(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    pub(super) fn open(&self) -> String {
        format!("SAVEPOINT savepoint_{}", self.depth)
    }

    pub(super) fn keep(&self) -> String {
        format!("RELEASE SAVEPOINT savepoint_{}", self.depth)
    }

    /// The statements that undo it. ROLLBACK TO leaves the savepoint open, so RELEASE follows.
    pub(super) fn undo(&self) -> String {
        let depth = self.depth;
        format!("ROLLBACK TO SAVEPOINT savepoint_{depth}; RELEASE SAVEPOINT savepoint_{depth}")
    }
}

/// Whether ROLLBACK TO undoes this kind of failure completely.
pub(crate) fn can_mend(failure: FailureKind) -> bool {
    !matches!(
        failure,
        FailureKind::Conflict | FailureKind::ConnectionLost | FailureKind::Unavailable
    )
}

/// The innermost savepoint of a unit in which the running code is.
pub(crate) fn innermost(unit: UnitId) -> Option<Arc<Scope>> {
    INSIDE
        .try_with(|inside| {
            let mut scopes = inside.iter().rev();
            scopes.find(|scope| scope.unit == unit).cloned()
        })
        .ok()
        .flatten()
}

/// Refuses code that uses the unit from inside the unit's savepoint, and so would wait for itself. The savepoint fails, so that the refused
/// statement cannot be missed.
pub(crate) fn refuse_inside(unit: UnitId) -> Result<(), DbErr> {
    match innermost(unit) {
        None => Ok(()),
        Some(scope) => {
            scope.fail(FailureKind::Other);
            Err(UnitError::InsideSavepoint.into())
        }
    }
}

/// Passes the savepoints of the running code on to a future that others will poll.
pub(crate) fn inherited(future: FutureObj<'static, ()>) -> FutureObj<'static, ()> {
    match INSIDE.try_with(Clone::clone) {
        Ok(inside) => Box::new(INSIDE.scope(inside, future)).into(),
        Err(_) => future,
    }
}

impl UnitOfWork {
    /// The innermost savepoint in which the running code is.
    pub(crate) fn innermost_scope(&self) -> Option<Arc<Scope>> {
        let inside = innermost(self.id());
        let begun = self.begun_here();
        let inner = match (inside, begun) {
            (Some(inside), Some(begun)) if begun.is_within(&inside) => Some(begun),
            (inside, begun) => inside.or(begun),
        };
        inner.or_else(|| self.field_scope())
    }

    /// The savepoint of the root field that is being resolved.
    pub(crate) fn field_scope(&self) -> Option<Arc<Scope>> {
        self.field().clone()
    }

    /// From now on, statements are part of a root field's savepoint. The first of them opens it.
    pub(crate) fn enter_field(&self) {
        *self.field() = Some(Arc::new(Scope::new(self.id(), None)));
    }

    /// Opens the root field's savepoint, if there is one that is not open yet.
    pub(crate) async fn open_field(
        &self,
        mut state: OwnedMutexGuard<State>,
    ) -> Result<OwnedMutexGuard<State>, DbErr> {
        if let Some(field) = self.field_scope()
            && !field.is_open()
        {
            self.control(&mut state, &field.open()).await?;
            field.has_opened();
        }
        Ok(state)
    }

    /// Ends the root field's savepoint. If a failed one should be kept, the field has ignored the failure, and the unit is doomed.
    pub(crate) async fn leave_field(&self, undo: bool) {
        if let Some(field) = self.field_scope()
            && self.end_begun(Some(&field)).await
        {
            field.fail(FailureKind::Other);
        }
        let mut state = self.hold().await;
        let Some(field) = self.field().take() else {
            return;
        };
        if undo {
            self.discard_within(&field);
        } else if let Some(kind) = field.failure() {
            self.doom_with(kind);
        }
        if self.refusal().is_none() && field.is_open() {
            let sql = if undo { field.undo() } else { field.keep() };
            // An error has doomed the unit, which reports it when it is finished.
            let _ = self.control(&mut state, &sql).await;
        }
    }

    /// Sends SAVEPOINT, RELEASE or ROLLBACK TO. If one of them fails or is dropped half way, the state of the transaction is wrong, and the
    /// unit is doomed.
    async fn control(&self, state: &mut State, sql: &str) -> Result<(), DbErr> {
        let half_way = HalfWay(self);
        let sent = state.connection()?.control(sql).await;
        std::mem::forget(half_way);
        sent.map_err(|error| self.failed(self.noted(error)))
    }
}

/// Dooms the unit if it is dropped.
struct HalfWay<'a>(&'a UnitOfWork);

impl Drop for HalfWay<'_> {
    fn drop(&mut self) {
        failures::note_abandoned(self.0);
        self.0.doom_with(FailureKind::Other);
    }
}
