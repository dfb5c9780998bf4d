//! The feed: delivers committed events from any position of the outbox on.
//!
//! - The [`Watcher`] finds out how far the outbox is settled, and keeps the last settled events in a [`window`] in memory. It runs when
//!   it is woken, and at least once a second, so that a lost wake-up costs a second and no event. Each server has one;
//!   `src/jobs/watch.rs` runs it.
//! - Each subscriber has a [`Reader`], which takes events from the window, or from the table if it is further behind. It reads at most
//!   [`BATCH`] events at a time, and reads on only when these were delivered. So a slow subscriber delays nobody and takes no memory.
//!   It only falls behind, and each event says by how much.
//! - Each event is executed once for all subscribers with the same selection ([`SharedEvents`]); the others get the text of that
//!   response. Each still has its own position.
//!
//! Subscribers are counted, and refused beyond a limit. Their reads go through a bounded number of slots, so that however many streams
//! there are, connections are left for queries.

mod error;
mod event;
mod reader;
mod settled;
mod subscribe;
mod subscriber;
mod watcher;
mod window;

use std::{
    sync::{Arc, RwLock, atomic::AtomicUsize},
    time::Duration,
};

use sea_orm::{ConnAcquireErr, DbBackend, DbErr};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use unit_of_work::{Database, SharedEvents, UnitOfWork};

pub use self::watcher::{WatchError, Watcher};
use self::{error::is_passing, event::EventKey, settled::Announcements, window::Window};
pub(super) use self::{error::undelivered, event::FeedEvent};
use crate::ledger;

/// The waits between attempts of a read. The first doubles each time, up to the last.
const FIRST_DELAY: Duration = Duration::from_millis(5);
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// How long one attempt of a read may take. Without it, a connection to a server that has gone would wait for ever.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The limits of a feed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FeedOptions {
    /// The most subscriptions at once. Default: 10,000.
    pub subscriptions: usize,
    /// The most reads of subscriptions at once: executions of events, and reads of the outbox by subscribers that are behind. Default: 8.
    pub reads: usize,
    /// How long a failing read is retried before its stream is interrupted. Default: 30 seconds.
    pub deadline: Duration,
    /// The most bytes of responses that are kept for other subscribers with the same selection. Default: 16 MiB.
    pub shared_bytes: usize,
    /// Whether the watcher runs once a second even without subscribers, so that the first subscriber finds the position of the outbox
    /// known. Default: no.
    pub watches_when_idle: bool,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            subscriptions: 10_000,
            reads: 8,
            deadline: Duration::from_secs(30),
            shared_bytes: 16 * 1024 * 1024,
            watches_when_idle: false,
        }
    }
}

/// The feed of a database. Cheap to clone; all clones are one feed.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    options: FeedOptions,
    settled: Announcements,
    /// A blocking lock: it is held only while a batch is copied.
    window: RwLock<Window>,
    /// Wakes the watcher.
    woken: Notify,
    /// Wakes the job that notifies other servers.
    committed: Notify,
    subscriptions: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// Responses that several subscribers share.
    shared: SharedEvents<EventKey>,
    /// How many subscribers chose accounts: while there are any, the window knows which accounts its entries touch.
    choosing: AtomicUsize,
}

/// The right to execute an event. It is held during the execution, and not while the response is sent.
pub(super) type ReadSlot = OwnedSemaphorePermit;

impl Feed {
    /// Says that this process has committed an entry.
    pub(super) fn commit(&self) {
        self.wake();
        self.0.committed.notify_one();
    }

    /// Says that an entry may have been committed, here or by another process.
    pub fn wake(&self) {
        if self.0.settled.subscribers() > 0 {
            self.0.woken.notify_one();
        }
    }

    /// How far the outbox is settled, as far as it is known.
    pub(crate) fn settled(&self) -> Option<i64> {
        self.0.settled.now().number
    }

    /// How far the outbox is settled, once that is known; none if it does not become known within this time.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn settled_within(&self, limit: Duration) -> Option<i64> {
        let mut settled = self.0.settled.subscribe();
        self.0.woken.notify_one();
        let known = timeout(limit, settled.wait_for(|it| it.number.is_some())).await;
        known.ok()?.ok()?.number
    }

    /// How often the database lost events that were settled. Numbers from before and after a loss are not comparable.
    pub(crate) fn losses(&self) -> u64 {
        self.0.settled.now().losses
    }

    /// Waits for a commit of this process since the last call.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn committed(&self) {
        self.0.committed.notified().await;
    }

    /// Responses that several subscribers share.
    pub(super) fn shared(&self) -> &SharedEvents<EventKey> {
        &self.0.shared
    }

    /// Waits for the right to execute an event.
    pub(super) async fn read_slot(&self) -> Option<ReadSlot> {
        // The semaphore is never closed.
        Arc::clone(&self.0.reads).acquire_owned().await.ok()
    }

    /// Gives the events their numbers that are committed and have none, on MariaDB.
    ///
    /// # Cancel safety
    /// Cancel safe: an event whose number is not committed has none.
    async fn number(&self) -> Result<(), DbErr> {
        let has_unnumbered = async |unit| ledger::has_unnumbered_events(&unit).await;
        let database = &self.0.database;
        if database.backend() == DbBackend::MySql && database.read(has_unnumbered).await? {
            self.0.number().await?;
        }
        Ok(())
    }

    /// Reads through a slot. Passing failures are retried within the deadline.
    async fn read<T, F, Fut>(&self, read: F) -> Result<T, DbErr>
    where
        F: Fn(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, DbErr>>,
    {
        let deadline = Instant::now() + self.0.options.deadline;
        let mut delay = FIRST_DELAY;
        loop {
            let slot = self.read_slot().await;
            // A read that is dropped closes its connection.
            let result = match timeout(ATTEMPT, self.0.database.read(&read)).await {
                Ok(result) => result,
                Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
            };
            drop(slot);
            match result {
                Err(error) if is_passing(&error) && Instant::now() + delay < deadline => {
                    tracing::debug!(%error, "a read of the feed is run again");
                }
                result => return result,
            }
            sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }
}
