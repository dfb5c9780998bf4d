//! async-graphql 7: a loader has a function that spawns, and its batches wait for a timer of the engine's own.
//!
//! That timer is at its end at once, because the delay is zero, so it is the spawner that lets the operation have its turn first. With the
//! engine's feature `tokio-timer` it is Tokio's timer, and a batch then waits up to two milliseconds more.

use async_graphql::dataloader::{DataLoader, HashMapCache};
use futures_util::{FutureExt, future::BoxFuture, task::FutureObj};

use super::{BatchSpawner, next_turn};

impl BatchSpawner {
    /// Makes a loader whose batches run in the operation.
    pub(super) fn loader<L: Send + Sync + 'static>(self, loader: L) -> DataLoader<L, HashMapCache> {
        let spawn = move |batch: BoxFuture<'static, ()>| {
            let batch = next_turn().then(|()| batch);
            // Nobody waits for a batch of an operation that has ended.
            let _ = self.spawn(FutureObj::new(batch.boxed()));
        };
        DataLoader::with_cache(loader, spawn, HashMapCache::default())
    }
}
