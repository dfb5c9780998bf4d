//! async-graphql 8: a loader has a spawner, and a timer that the spawned batch waits for.

use std::time::Duration;

use async_graphql::{
    dataloader::{DataLoader, HashMapCache},
    runtime::Timer,
};
use futures_util::{
    FutureExt,
    future::BoxFuture,
    task::{FutureObj, Spawn, SpawnError},
};

use super::{BatchSpawner, Ended, next_turn};

impl BatchSpawner {
    /// Makes a loader whose batches run in the operation.
    pub(super) fn loader<L: Send + Sync + 'static>(self, loader: L) -> DataLoader<L, HashMapCache> {
        DataLoader::with_cache(loader, self, NextTurn, HashMapCache::default())
    }
}

impl Spawn for BatchSpawner {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn(batch).map_err(|Ended| SpawnError::shutdown())
    }
}

/// A timer that waits for one turn of the operation, whatever the delay.
struct NextTurn;

impl Timer for NextTurn {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        next_turn().boxed()
    }
}
