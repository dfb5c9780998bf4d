//! Savepoints that code begins and must end itself: SeaORM's transactions inside a unit.
//!
//! [`UnitOfWork::savepoint`] ends with its body. A savepoint that `begin` returns has no such end, so the unit keeps a list of them:
//! - **Code that has begun one, and then uses what it was begun on, would wait for itself** until the deadline. It is refused at once.
//!   Whose code runs is told by the field that is being resolved; what siblings do waits, as it does with every savepoint.
//! - **One that was not ended when the unit is finished** (it lies in a static, or in a task) would keep the connection. It is ended
//!   then, and the unit is rolled back: nobody has said whether it is to be kept.

use std::sync::{Arc, MutexGuard, PoisonError};

use sea_orm::DbErr;
use tokio::sync::Mutex;

use super::{UnitOfWork, savepoint::Lent, scope::Scope};
use crate::{
    FailureKind, UnitError,
    operation::failures::{Whose, whose},
};

/// A savepoint that was begun and has not ended.
pub(super) struct Begun {
    whose: Whose,
    scope: Arc<Scope>,
    lent: Arc<Mutex<Lent>>,
}

impl Begun {
    /// One that the running code has begun.
    pub(super) fn new(scope: Arc<Scope>, lent: Arc<Mutex<Lent>>) -> Self {
        Self {
            whose: whose(),
            scope,
            lent,
        }
    }

    fn is_inside(&self, outer: Option<&Scope>) -> bool {
        outer.is_none_or(|outer| {
            self.scope.is_within(outer) && !std::ptr::eq(self.scope.as_ref(), outer)
        })
    }
}

impl UnitOfWork {
    fn begun(&self) -> MutexGuard<'_, Vec<Begun>> {
        // Nothing can panic while the lock is held.
        let begun = self.inner.begun.lock();
        begun.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_begun(&self, savepoint: Begun) {
        self.begun().push(savepoint);
    }

    /// Removes it from the list, and returns whether it was there.
    pub(super) fn forget_begun(&self, scope: &Arc<Scope>) -> bool {
        let mut begun = self.begun();
        let before = begun.len();
        begun.retain(|savepoint| !Arc::ptr_eq(&savepoint.scope, scope));
        begun.len() < before
    }

    /// The innermost savepoint that the running code has begun.
    pub(super) fn begun_here(&self) -> Option<Arc<Scope>> {
        let begun = self.begun();
        if begun.is_empty() {
            return None;
        }
        let here = whose();
        let mut own = begun.iter().rev().filter(|begun| begun.whose == here);
        own.next().map(|begun| begun.scope.clone())
    }

    /// Refuses code that would wait for itself: it has begun a savepoint on the unit, or inside `outer`, and now uses that. The savepoint
    /// fails, so that the refused statement cannot be missed.
    pub(super) fn refuse_begun(&self, outer: Option<&Scope>) -> Result<(), DbErr> {
        let here = whose();
        let begun = self.begun();
        let mut own = begun.iter().filter(|begun| begun.whose == here);
        match own.find(|begun| begun.is_inside(outer)) {
            None => Ok(()),
            Some(begun) => {
                begun.scope.fail(FailureKind::Other);
                Err(UnitError::InsideSavepoint.into())
            }
        }
    }

    /// Ends those inside `outer`, or all, and returns whether there were any. Waits for a statement that runs in one.
    pub(super) async fn end_begun(&self, outer: Option<&Scope>) -> bool {
        let mut were_any = false;
        loop {
            let last = {
                let begun = self.begun();
                let mut inside = begun.iter().rev().filter(|begun| begun.is_inside(outer));
                inside
                    .next()
                    .map(|begun| (begun.scope.clone(), begun.lent.clone()))
            };
            let Some((scope, lent)) = last else {
                return were_any;
            };
            were_any = true;
            scope.fail(FailureKind::Other);
            *lent.lock().await = Lent::Ended;
            self.forget_begun(&scope);
        }
    }
}
