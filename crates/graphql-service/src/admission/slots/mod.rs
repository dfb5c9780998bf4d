//! Limits how many operations run at once, in two classes, so that a cheap operation never waits for a heavy one.
//!
//! | class | what | slots | beyond them |
//! |---|---|---|---|
//! | cheap | all other operations | many; one client has three quarters of them at most | refused at once with `OVERLOADED` |
//! | heavy | operations that are large, ask for many fields, or have fields that read much: [`HeavyOptions`] | few | wait for their turn, then `OVERLOADED` |
//!
//! Heavy operations run on threads of their own (`workers.rs`). Work that keeps a thread busy without a pause, such as parsing a document of a
//! megabyte, then delays no cheap operation. The application sets no more heavy slots than half the database's connections, so that the
//! other half is there for cheap operations.
//!
//! The class is known before the operation runs. A large request is heavy before it is parsed, any other once its operation is prepared
//! and measured (`class.rs`). `queue.rs` gives heavy slots to clients in turn; `share.rs` counts the cheap slots of each client;
//! `client.rs` says which client sent a request.

use std::{net::IpAddr, sync::Arc};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

pub(crate) use self::share::Share;
pub(crate) use self::{
    class::{Class, Cost},
    client::{Client, current_address, of_address},
};
use self::{options::HeavyOptions, queue::FairQueue, share::Shares, workers::Workers};
use crate::{admission::limits::Limits, answer::refusal::Refusal};

mod class;
mod client;
pub(crate) mod options;
mod queue;
mod share;
mod workers;

/// The operations that may be under way at once. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    limit: usize,
    /// How many cheap slots each client has.
    shares: Shares,
    /// How many subscriptions each client has.
    subscriptions: Shares,
    options: HeavyOptions,
    queue: FairQueue,
    workers: Arc<Workers>,
}

/// A slot for a cheap operation, or for a batch whose operations run one after the other. Dropping it frees the slot.
#[expect(dead_code, reason = "they are held")]
pub(crate) struct Slot(OwnedSemaphorePermit, Share);

impl Slots {
    pub(crate) fn new(limit: usize, subscriptions_of_client: usize, options: HeavyOptions) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(limit)),
            limit,
            shares: Shares::new(Limits::of_one_client(limit)),
            subscriptions: Shares::new(subscriptions_of_client),
            options,
            queue: FairQueue::new(options.operations, options.waiting),
            workers: Arc::new(Workers::new(options.operations)),
        }
    }

    /// How many cheap slots are taken.
    pub(crate) fn taken(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// How many heavy slots are taken, and how many operations wait for one.
    pub(crate) fn heavy_taken_and_waiting(&self) -> (usize, usize) {
        self.queue.taken_and_waiting()
    }

    /// The class of an operation with this cost.
    pub(crate) fn class(&self, cost: Cost) -> Class {
        cost.class(&self.options)
    }

    /// Whether a text of this many bytes is heavy, whatever its contents.
    pub(crate) fn is_large(&self, bytes: usize) -> bool {
        bytes > self.options.bytes
    }

    /// Takes a slot for a cheap operation of this viewer, or else of this address. Refuses if no slot is free, or the client has its share.
    ///
    /// There is no queue: it would grow, and run operations for clients that have given up.
    pub(crate) fn take(
        &self,
        viewer: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Slot, Refusal> {
        let refuse = |refusal| {
            count_refusal(Class::Cheap);
            Err(refusal)
        };
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            return refuse(Refusal::overloaded(self.limit));
        };
        match self.shares.take(viewer, address) {
            Some(share) => Ok(Slot(permit, share)),
            None => refuse(Refusal::overloaded_by_client(self.shares.most())),
        }
    }

    /// Counts a subscription of this viewer, or else of this address, until the returned guard is dropped.
    pub(crate) fn subscribe(
        &self,
        viewer: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Share, Refusal> {
        self.subscriptions.take(viewer, address).ok_or_else(|| {
            metrics::counter!("graphql_subscriptions_refused_total").increment(1);
            Refusal::subscriptions_of_client(self.subscriptions.most())
        })
    }

    /// Waits for this client's turn, at most until `deadline`, and runs the work in a heavy slot, on a thread for heavy work.
    ///
    /// # Errors
    /// `OVERLOADED` where the queue is full, or the turn does not come in time.
    ///
    /// # Cancel safety
    /// Cancel safe. Dropping the future leaves the queue, or drops the work.
    pub(crate) async fn heavy<T: Send + 'static>(
        &self,
        client: Client,
        deadline: Option<Instant>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let patience = Instant::now() + self.options.patience;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
        let Some(turn) = self.queue.take(client, until).await else {
            count_refusal(Class::Heavy);
            return Err(Refusal::too_heavy(self.options.operations));
        };
        self.workers.run(turn, work).await
    }
}

fn count_refusal(class: Class) {
    metrics::counter!("graphql_overloaded_total", "class" => class.name()).increment(1);
}
