//! Where a test and a resolver meet.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_graphql::Context;
use tokio::{sync::Notify, time::timeout};
use unit_of_work::UnitOfWork;

use super::PATIENCE;

/// Where a resolver and a test meet, and what resolvers leave behind for the test.
#[derive(Default)]
pub struct Cue {
    pub(super) reached: Notify,
    pub(super) proceed: Notify,
    pub effects: Mutex<Vec<String>>,
    pub handle: Mutex<Option<UnitOfWork>>,
    /// How many streams of `ticks` were created.
    pub streams: Mutex<u32>,
    /// How often the field `increment` was begun.
    pub increments: AtomicU32,
    /// Whether a resolver that keeps its thread may let it go.
    pub let_go: AtomicBool,
}

impl Cue {
    /// The resolver's side: says that it is there, and waits.
    pub async fn meet(&self) {
        self.reached.notify_one();
        self.proceed.notified().await;
    }

    /// The test's side: waits until the resolver is there.
    pub async fn reached(&self) {
        timeout(PATIENCE, self.reached.notified())
            .await
            .expect("the resolver comes to the cue");
    }

    /// The resolver's side: says that it is there, and keeps its thread until it may let it go. Nothing else of the operation is
    /// polled meanwhile.
    pub(super) fn keep_the_thread(&self) {
        self.reached.notify_one();
        let began = Instant::now();
        while !self.let_go.load(Ordering::Acquire) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn proceed(&self) {
        self.proceed.notify_one();
    }

    pub fn effects(&self) -> Vec<String> {
        lock(&self.effects).clone()
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn cue<'a>(ctx: &Context<'a>) -> &'a Arc<Cue> {
    ctx.data_unchecked()
}
