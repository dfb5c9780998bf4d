//! Data loaders that live and run inside the unit.
//!
//! async-graphql's [`DataLoader`] spawns each batch as a task, which may outlive its operation, and waits a millisecond
//! for keys. Here batches are driven beside the operation's own future: they end with it, they use its unit, and they
//! start on the next turn of the operation, when every field that can ask has asked.
//!
//! This is the one module whose calls differ between async-graphql 7 and 8 (a loader's spawner and timer).

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use async_graphql::{
    dataloader::{DataLoader, HashMapCache},
    runtime::Timer,
};
use futures_util::{
    FutureExt, Stream,
    future::BoxFuture,
    stream::FuturesUnordered,
    task::{FutureObj, Spawn, SpawnError},
};
use tokio::sync::mpsc;

use crate::{Access, UnitOfWork, savepoint};

/// A loader that is made from the unit it loads with. Ask for it with
/// [`ContextExt::loader`](crate::ContextExt::loader); there is nothing to register.
pub trait UnitLoader: Send + Sync + 'static {
    /// Makes the loader for one operation.
    fn from_unit(unit: UnitOfWork) -> Self;
}

/// The loaders of one operation, made when they are first asked for.
pub(crate) struct Loaders {
    unit: UnitOfWork,
    batches: BatchSpawner,
    made: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Loaders {
    pub(crate) fn new(unit: UnitOfWork) -> (Self, Batches) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let loaders = Self {
            unit,
            batches: BatchSpawner(sender),
            made: Mutex::default(),
        };
        let batches = Batches {
            receiver,
            running: FuturesUnordered::new(),
        };
        (loaders, batches)
    }

    pub(crate) fn get<L: UnitLoader>(&self) -> Arc<DataLoader<L, HashMapCache>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = made
            .entry(TypeId::of::<L>())
            .or_insert_with(|| Arc::new(self.make::<L>()));
        match Arc::clone(loader).downcast() {
            Ok(loader) => loader,
            Err(_) => unreachable!("the map is keyed by the loader's own type"),
        }
    }

    fn make<L: UnitLoader>(&self) -> DataLoader<L, HashMapCache> {
        let loader = DataLoader::with_cache(
            L::from_unit(self.unit.clone()),
            self.batches.clone(),
            NextTurn,
            HashMapCache::default(),
        )
        .delay(Duration::ZERO);
        // On a snapshot a row cannot change; in a unit that writes, a row that was read before a write is stale.
        loader.enable_all_cache(self.unit.access() == Access::ReadOnly);
        loader
    }
}

/// Sends batches to the operation, instead of to the runtime.
#[derive(Clone)]
struct BatchSpawner(mpsc::UnboundedSender<FutureObj<'static, ()>>);

impl Spawn for BatchSpawner {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        // A batch that is asked for inside a savepoint is refused the unit there, instead of waiting for it for ever.
        self.0
            .send(savepoint::inherited(batch))
            .map_err(|_| SpawnError::shutdown())
    }
}

/// Waits for one turn of the operation, whatever the delay.
struct NextTurn;

impl Timer for NextTurn {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        let mut waited = false;
        poll_fn(move |context| {
            if waited {
                return Poll::Ready(());
            }
            waited = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .boxed()
    }
}

/// The batches under way of one operation.
pub(crate) struct Batches {
    receiver: mpsc::UnboundedReceiver<FutureObj<'static, ()>>,
    running: FuturesUnordered<FutureObj<'static, ()>>,
}

impl Batches {
    /// Drives `operation` to its end, and the batches beside it; batches that are left over are dropped with it.
    pub(crate) async fn drive<T>(mut self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        poll_fn(move |context| {
            // The operation first: all of its fields ask for their keys before a batch starts.
            if let Poll::Ready(response) = operation.as_mut().poll(context) {
                return Poll::Ready(response);
            }
            loop {
                while let Poll::Ready(Some(batch)) = self.receiver.poll_recv(context) {
                    self.running.push(batch);
                }
                // A batch that is done has woken the fields that wait for it, and with them this task.
                match Pin::new(&mut self.running).poll_next(context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}
