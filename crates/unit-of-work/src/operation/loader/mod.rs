//! Data loaders that live and run inside the unit.
//!
//! async-graphql's [`DataLoader`] spawns each batch as a task, which may outlive its operation, and waits a millisecond for keys. Here,
//! batches are polled together with the operation's own future: they end with it, use its unit, and start when every field that can ask has
//! asked.
//!
//! That moment shows by who wakes the operation. The engine resolves long lists in parts: between two parts it wakes itself and yields the
//! thread (`FuturesUnordered`), and the fields of the next part have not asked yet. So batches wait while the operation has woken itself,
//! and start as soon as it waits for something else.
//!
//! async-graphql 7 and 8 differ here alone: in how a loader is given its spawner and its timer. `with_8` and `with_7` are that difference.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    Access, UnitOfWork,
    observe::timeline,
    operation::{failures, turn::Turn},
    unit::scope,
};
use async_graphql::dataloader::{DataLoader, HashMapCache};
use futures_util::{
    Stream,
    stream::FuturesUnordered,
    task::{AtomicWaker, FutureObj},
};

#[cfg(all(feature = "async-graphql-7", not(feature = "async-graphql-8")))]
mod with_7;
#[cfg(feature = "async-graphql-8")]
mod with_8;

/// A loader that is made from the unit it loads with. Ask for it with
/// [`ContextExt::loader`](crate::ContextExt::loader); there is nothing to register.
///
/// ```
/// use std::collections::HashMap;
/// use async_graphql::dataloader::Loader;
/// use sea_orm::DbErr;
/// use unit_of_work::{UnitLoader, UnitOfWork};
///
/// struct Names(UnitOfWork);
///
/// impl UnitLoader for Names {
///     fn from_unit(unit: UnitOfWork) -> Self {
///         Self(unit)
///     }
/// }
///
/// impl Loader<i64> for Names {
///     type Value = String;
///     type Error = DbErr;
///
///     async fn load(&self, ids: &[i64]) -> Result<HashMap<i64, String>, DbErr> {
///         // One statement for all of them, on `&self.0`.
///         # let _ = ids;
///         Ok(HashMap::new())
///     }
/// }
/// ```
pub trait UnitLoader: Send + Sync + 'static {
    /// Makes the loader for one operation.
    fn from_unit(unit: UnitOfWork) -> Self;
}

/// The loaders of one operation, created on first use.
pub(crate) struct Loaders {
    unit: UnitOfWork,
    queue: Arc<Queue>,
    made: Mutex<HashMap<TypeId, Made>>,
}

/// A loader, and the bit that identifies it in failures of its batches.
struct Made {
    bit: u64,
    loader: Arc<dyn Any + Send + Sync>,
}

impl Loaders {
    pub(crate) fn new(unit: UnitOfWork) -> (Self, Batches) {
        let queue = Arc::new(Queue::default());
        let loaders = Self {
            unit,
            queue: Arc::clone(&queue),
            made: Mutex::default(),
        };
        (loaders, Batches(queue))
    }

    pub(crate) fn get<L: UnitLoader>(&self) -> Arc<DataLoader<L, HashMapCache>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // More than 64 loaders share bits.
        let bit = 1 << (made.len() % 64);
        let made = made.entry(TypeId::of::<L>()).or_insert_with(|| Made {
            bit,
            loader: Arc::new(self.make::<L>(bit)),
        });
        failures::asked(made.bit);
        match Arc::clone(&made.loader).downcast() {
            Ok(loader) => loader,
            Err(_) => unreachable!("the map is keyed by the loader's own type"),
        }
    }

    fn make<L: UnitLoader>(&self, bit: u64) -> DataLoader<L, HashMapCache> {
        let spawner = BatchSpawner {
            queue: Arc::clone(&self.queue),
            loader: bit,
        };
        let loader = spawner
            .loader(L::from_unit(self.unit.clone()))
            .delay(Duration::ZERO);
        // In a snapshot, a row cannot change. In a unit that writes, a row that was read before a write may be stale, so it is not cached.
        loader.enable_all_cache(self.unit.access() == Access::ReadOnly);
        loader
    }
}

/// How many polls batches wait for an operation that wakes itself, but begins no field and asks for no key: it may be waiting for the
/// batches.
const IDLE_POLLS: u32 = 1000;

/// The batches that wait until their operation has asked for everything that it can. Most operations have none, and then it allocates
/// nothing.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    operation: AtomicWaker,
    /// Whether the operation's own code was woken since the operation was polled last.
    is_woken: AtomicBool,
}

/// Wakes the operation, and notes that its own code was woken.
impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Relaxed);
        self.operation.wake();
    }
}

enum Waiting {
    Batches(Vec<FutureObj<'static, ()>>),
    Ended,
}

impl Default for Waiting {
    fn default() -> Self {
        Self::Batches(Vec::new())
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing can panic while the lock is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<FutureObj<'static, ()>> {
        match &mut *self.waiting() {
            Waiting::Batches(batches) => std::mem::take(batches),
            Waiting::Ended => Vec::new(),
        }
    }
}

/// Spawns batches in the operation instead of the runtime.
#[derive(Clone)]
struct BatchSpawner {
    queue: Arc<Queue>,
    loader: u64,
}

/// The operation has ended, so the batch was dropped.
struct Ended;

impl BatchSpawner {
    fn spawn(&self, batch: FutureObj<'static, ()>) -> Result<(), Ended> {
        match &mut *self.queue.waiting() {
            // Inside a savepoint, the batch is refused the unit, instead of waiting for it for ever.
            Waiting::Batches(batches) => {
                let batch = failures::in_loader(self.loader, batch);
                batches.push(timeline::inherited(scope::inherited(batch)));
            }
            Waiting::Ended => return Err(Ended),
        }
        self.queue.operation.wake();
        Ok(())
    }
}

/// Waits for one turn of the operation.
fn next_turn() -> impl Future<Output = ()> {
    let mut waited = false;
    poll_fn(move |context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// The batches of one operation.
pub(crate) struct Batches(Arc<Queue>);

impl Batches {
    /// Polls `operation` to its end, in turns, together with its batches. Batches that are left over are dropped with it.
    pub(crate) async fn drive<T>(self, turn: &Turn, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        let mut running: Option<FuturesUnordered<FutureObj<'static, ()>>> = None;
        let mut idle_polls = 0;
        let queue = &self.0;
        let own_waker = Waker::from(Arc::clone(queue));
        let operation = poll_fn(|context| {
            queue.operation.register(context.waker());
            queue.is_woken.store(false, Relaxed);
            operation
                .as_mut()
                .poll(&mut Context::from_waker(&own_waker))
        });
        turn.drive(pin!(operation), |context| {
            let mut has_asked = turn.has_begun_fields();
            loop {
                let batches = queue.take();
                if !batches.is_empty() {
                    has_asked = true;
                    running.get_or_insert_default().extend(batches);
                }
                let Some(running) = &mut running else {
                    return;
                };
                if queue.is_woken.load(Relaxed) {
                    idle_polls = if has_asked { 0 } else { idle_polls + 1 };
                    if idle_polls < IDLE_POLLS {
                        return;
                    }
                }
                // A finished batch has woken the fields that wait for it, and so this task.
                match Pin::new(running).poll_next(context) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) | Poll::Pending => return,
                }
            }
        })
        .await
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.0.waiting(), Waiting::Ended);
        // Dropping a batch may run any code, so it happens after the lock is released.
        drop(left);
    }
}
