//! What a unit does after COMMIT, and only then.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};

#[derive(Default)]
pub(crate) struct Effects(Mutex<Vec<BoxFuture<'static, ()>>>);

impl Effects {
    pub(crate) fn push(&self, effect: BoxFuture<'static, ()>) {
        self.lock().push(effect);
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
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<BoxFuture<'static, ()>>> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
