//! What a unit does after its end, and only then.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio_util::task::TaskTracker;

use crate::savepoint::Scope;

/// When an effect runs, and who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// After COMMIT; the response waits for it.
    Committed,
    /// After COMMIT, beside the response.
    CommittedDetached,
    /// After ROLLBACK; the response waits for it.
    RolledBack,
}

/// The effects of a unit in the order of their registration, or `None` once it has ended: what is registered later would
/// never run, and is not kept.
pub(crate) struct Effects(Mutex<Option<Vec<Effect>>>);

struct Effect {
    /// The innermost savepoint it was registered in.
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

    /// Drops those that were registered in a savepoint that is rolled back. Others may lie between them: siblings
    /// register theirs meanwhile.
    pub(crate) fn discard_within(&self, savepoint: &Scope) {
        let within = |effect: &mut Effect| {
            let scope = effect.scope.as_ref();
            scope.is_some_and(|scope| scope.is_within(savepoint))
        };
        let discarded: Vec<_> = match &mut *self.lock() {
            Some(effects) => effects.extract_if(.., within).collect(),
            None => Vec::new(),
        };
        // What an effect holds may do anything when it is dropped: not while the lock is held.
        drop(discarded);
    }

    pub(crate) fn discard(&self) {
        drop(self.take());
    }

    /// Runs the effects of a commit one after another; those that nobody waits for become tasks of `detached`.
    pub(crate) async fn committed(&self, detached: &TaskTracker) {
        for effect in self.take() {
            match effect.when {
                When::Committed => guarded(effect.run).await,
                When::CommittedDetached => {
                    detached.spawn(guarded(effect.run));
                }
                When::RolledBack => {}
            }
        }
    }

    /// Runs the effects of a rollback one after another.
    pub(crate) async fn rolled_back(&self) {
        for effect in self.take() {
            if effect.when == When::RolledBack {
                guarded(effect.run).await;
            }
        }
    }

    fn take(&self) -> Vec<Effect> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Effect>>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A panic in an effect is logged; the others still run, and what was committed or rolled back stands.
async fn guarded(effect: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(effect).catch_unwind().await.is_err() {
        tracing::error!("an effect panicked; what it came after stands");
    }
}
