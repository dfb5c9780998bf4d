//! What a unit does after COMMIT, and only then.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};

/// The effects of a unit, or `None` once it has ended: what is registered later would never run, and is not kept.
pub(crate) struct Effects(Mutex<Option<Vec<BoxFuture<'static, ()>>>>);

impl Default for Effects {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Effects {
    pub(crate) fn push(&self, effect: BoxFuture<'static, ()>) {
        if let Some(effects) = &mut *self.lock() {
            effects.push(effect);
        }
    }

    pub(crate) fn discard(&self) {
        drop(self.take());
    }

    /// Runs the effects one after another. A panic in one is logged; the others still run.
    pub(crate) async fn run(&self) {
        for effect in self.take() {
            if AssertUnwindSafe(effect).catch_unwind().await.is_err() {
                tracing::error!("an after-commit effect panicked; the commit stands");
            }
        }
    }

    fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<BoxFuture<'static, ()>>>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
