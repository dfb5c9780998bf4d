//! What a unit does after its end, and only then.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio_util::task::TaskTracker;

use crate::unit::scope::Scope;

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

/// Something to do after the end of a unit.
pub(crate) struct Effect {
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

    /// Takes all of them, once; the unit has ended.
    pub(crate) fn take(&self) -> Vec<Effect> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Effect>>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the effects follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Commit,
    Rollback,
}

/// Runs the effects that follow a commit, or a rollback, one after another; those that nobody waits for become `tasks`.
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

/// A panic in an effect is logged; the others still run, and what was committed or rolled back stands.
async fn guarded(effect: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(effect).catch_unwind().await.is_err() {
        tracing::error!("an effect panicked; what it came after stands");
    }
}
