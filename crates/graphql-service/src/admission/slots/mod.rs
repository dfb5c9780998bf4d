//! How many operations run at once, in two classes, so that a cheap one never waits for a heavy one.
//!
//! | class | what | slots | beyond them |
//! |---|---|---|---|
//! | cheap | everything else | many, taken at once or not at all; three quarters of them by one client | `OVERLOADED` |
//! | heavy | what is large, asks for many fields, or has fields that read much: [`HeavyOptions`] | few | waits for its turn, then `OVERLOADED` |
//!
//! A heavy operation also has threads of its own (`workers.rs`): what takes a thread for long without a pause, such as reading a
//! document of a megabyte, takes none on which cheap operations run. There are no more heavy slots than half the database's
//! connections, so the other half is there for cheap operations.
//!
//! The class is known before anything runs: a request that is large is heavy before it is even read as JSON, any other one once its
//! operation is prepared and measured (`class.rs`). `queue.rs` gives heavy slots to clients in turn; `share.rs` counts the cheap ones of
//! each; `client.rs` says whose a request is.

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
    /// What each client has of the cheap ones.
    shares: Shares,
    /// What each client has of subscriptions.
    subscriptions: Shares,
    options: HeavyOptions,
    queue: FairQueue,
    workers: Arc<Workers>,
}

/// The right to run a cheap operation, or a batch one after the other. Dropping it gives it to somebody else.
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

    /// The class of an operation that costs so much.
    pub(crate) fn class(&self, cost: Cost) -> Class {
        cost.class(&self.options)
    }

    /// Whether something of so many bytes is heavy, whatever it says.
    pub(crate) fn is_large(&self, bytes: usize) -> bool {
        bytes > self.options.bytes
    }

    /// Takes a slot for a cheap operation of this viewer, or else of this address, if one is free and they have not their share.
    /// Nobody waits for one: a queue here would only grow, and its operations be run for clients that have given up.
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

    /// Takes the right to a subscription of this viewer, or else of this address.
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

    /// Waits for this client's turn, until `deadline` if it has one, and runs heavy work in a slot and on a thread for such work.
    ///
    /// # Errors
    /// `OVERLOADED` where too many wait already, or the turn does not come in time.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue, or drops the work.
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
