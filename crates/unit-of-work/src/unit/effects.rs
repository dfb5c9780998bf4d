//! Effects: code that runs after a unit's end.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio_util::task::TaskTracker;

use crate::unit::scope::Scope;

/// When an effect runs, and whether the response waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After COMMIT; the response waits for it.
    Committed,
    /// After COMMIT, beside the response.
    CommittedDetached,
    /// After ROLLBACK; the response waits for it.
    RolledBack,
}

/// The effects of a unit in the order of their registration; `None` once the unit has ended, since a later effect would never run.
pub(crate) struct Effects(Mutex<Option<Vec<Effect>>>);

/// An effect.
pub(crate) struct Effect {
    /// The innermost savepoint in which it was registered.
    scope: Option<Arc<Scope>>,
    when: When,
    run: BoxFuture<'static, ()>,
}

impl Default for Effects {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Effects {
    pub(crate) fn push(&self, scope: Option<Arc<Scope>>, when: When, run: BoxFuture<'static, ()>) {
        if let Some(effects) = &mut *self.lock() {
            effects.push(Effect { scope, when, run });
        }
    }

    /// Drops the effects of a savepoint that is rolled back. They may be mixed with those of siblings, which register theirs at the same
    /// time.
    pub(crate) fn discard_within(&self, savepoint: &Scope) {
        let within = |effect: &mut Effect| {
            let scope = effect.scope.as_ref();
            scope.is_some_and(|scope| scope.is_within(savepoint))
        };
        let discarded: Vec<_> = match &mut *self.lock() {
            Some(effects) => effects.extract_if(.., within).collect(),
            None => Vec::new(),
        };
        // Dropping an effect may run any code, so it happens after the lock is released.
        drop(discarded);
    }

    pub(crate) fn discard(&self) {
        drop(self.take());
    }

    /// Takes all effects, once, after the unit has ended.
    pub(crate) fn take(&self) -> Vec<Effect> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Effect>>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that effects follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Commit,
    Rollback,
}

/// Runs the effects that follow a commit or a rollback, one after another. Detached ones become `tasks`.
pub(crate) async fn run(effects: Vec<Effect>, follow: Follow, tasks: TaskTracker) {
    for effect in effects {
        match (effect.when, follow) {
            (When::Committed, Follow::Commit) | (When::RolledBack, Follow::Rollback) => {
                guarded(effect.run).await;
            }
            (When::CommittedDetached, Follow::Commit) => {
                tasks.spawn(guarded(effect.run));
            }
            (When::Committed | When::CommittedDetached, Follow::Rollback)
            | (When::RolledBack, Follow::Commit) => {}
        }
    }
}

/// Runs an effect. A panic in it is logged; the others still run, and the commit or rollback is not affected.
async fn guarded(effect: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(effect).catch_unwind().await.is_err() {
        tracing::error!("an effect panicked; what it came after stands");
    }
}
