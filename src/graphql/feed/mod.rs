//! The feed: what is committed, from any place of the outbox on.
//!
//! - The [`Watcher`] looks how far the outbox is settled and keeps the last settled events in a [`window`] in memory: when it is
//!   woken, and once a second in any case, so that a wake-up that got lost costs a second and no event. There is one for a
//!   server. `src/jobs/watch.rs` runs it.
//! - Each subscriber has a [`Reader`], which takes events from the window, or from the table when it is further behind. It takes
//!   at most [`BATCH`] events at a time, and the next ones only when these were taken: a slow subscriber holds up nobody and
//!   takes no memory; it is merely behind, and each event says by how much.
//! - Each event is executed once for all subscribers who asked for the same ([`SharedEvents`]); the others get the text of that
//!   response. Each still has its own position.
//!
//! Subscribers are counted, and refused beyond a limit. What they read from the database goes through a bounded number of slots,
//! so that no number of streams takes the connections away from queries.

mod error;
mod reader;
mod settled;
mod subscriber;
mod watcher;
mod window;

use std::{
    sync::{Arc, RwLock, atomic::AtomicUsize},
    time::Duration,
};

use async_graphql::Result;
use futures_util::{Stream, stream};
use sea_orm::{ConnAcquireErr, DbErr};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use unit_of_work::{Database, FailureKind, SharedEvents, UnitOfWork};

pub(super) use self::error::undelivered;
pub use self::watcher::{WatchError, Watcher};
use self::{
    reader::Reader,
    settled::{Announcements, Settled},
    subscriber::Subscriber,
    window::Window,
};
use crate::ledger::{AccountRef, OutboxEvent};

/// How many events a subscriber has in memory at most.
const BATCH: usize = 100;

/// How much before the largest number is looked for gaps when a subscription begins with no cursor at a server that does not
/// know yet how far the outbox is settled.
const LOOK_BACK: i64 = 10_000;

/// The waits between attempts of a read: the first, doubled each time up to the last.
const FIRST_DELAY: Duration = Duration::from_millis(5);
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// How long one attempt of a read may take. A connection whose other end has gone dark says nothing by itself.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long the response to an event is kept for subscribers who come to it later than others.
const SHARED_FOR: Duration = Duration::from_secs(10);

/// What a feed takes at most.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FeedOptions {
    /// The most subscriptions at once. Default: 10,000.
    pub subscriptions: usize,
    /// The most reads of subscriptions at once: of their events, and of the outbox by those that are behind. Default: 8.
    pub reads: usize,
    /// How long a read may be tried again before its stream is interrupted. Default: 30 seconds.
    pub deadline: Duration,
    /// The most bytes of responses to events that are kept for other subscribers who asked for the same. Default: 16 MiB.
    pub shared_bytes: usize,
    /// Whether the outbox is looked at once a second also while nobody subscribes, so that the first subscriber finds it known how
    /// far it is settled. Default: no.
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
    /// A lock that is held for as long as it takes to copy a batch.
    window: RwLock<Window>,
    /// For the watcher.
    woken: Notify,
    /// For whoever tells other servers.
    committed: Notify,
    subscriptions: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// The responses that are the same for several subscribers.
    shared: SharedEvents<EventKey>,
    /// How many subscribers chose accounts: while there are any, the window knows which accounts its entries touch.
    choosing: AtomicUsize,
}

/// An event, and how many come after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeedEvent {
    pub(super) event: OutboxEvent,
    /// At most so many had been committed after it when it was read.
    pub(super) behind: i64,
    /// The cursor before it, from which a client resumes that did not get it.
    pub(super) resume_after: i64,
    /// How often history had been lost: the same number is another event then.
    losses: u64,
}

/// What tells the response to one event from that to another, for subscribers who ask the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventKey {
    losses: u64,
    number: i64,
    /// Where the response tells it. Who is equally far behind gets the same.
    behind: Option<i64>,
}

impl FeedEvent {
    pub(super) fn key(&self, tells_behind: bool) -> EventKey {
        EventKey {
            losses: self.losses,
            number: self.event.seq,
            behind: tells_behind.then_some(self.behind),
        }
    }
}

/// The right to read an event. It is held while the event is executed, and not while its response is sent.
pub(super) type ReadSlot = OwnedSemaphorePermit;

impl Feed {
    /// The feed of `database`'s outbox, and its watcher. Nothing is announced unless the watcher is run.
    #[must_use]
    pub fn new(database: Database, options: FeedOptions) -> (Self, Watcher) {
        let permits =
            |limit: usize| Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS)));
        let feed = Self(Arc::new(Inner {
            database,
            settled: Announcements::new(),
            window: RwLock::default(),
            woken: Notify::new(),
            committed: Notify::new(),
            subscriptions: permits(options.subscriptions),
            reads: permits(options.reads),
            shared: SharedEvents::new(options.shared_bytes, SHARED_FOR),
            choosing: AtomicUsize::new(0),
            options,
        }));
        let watcher = Watcher::new(&feed);
        (feed, watcher)
    }

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

    /// Waits for a commit of this process since the last call.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn committed(&self) {
        self.0.committed.notified().await;
    }

    /// The responses that are the same for several subscribers.
    pub(super) fn shared(&self) -> &SharedEvents<EventKey> {
        &self.0.shared
    }

    /// Waits until an event may be read.
    pub(super) async fn read_slot(&self) -> Option<ReadSlot> {
        // The semaphore is never closed.
        Arc::clone(&self.0.reads).acquire_owned().await.ok()
    }

    /// Events after number `after`, or from now on, that touch one of `accounts`, if any are given. The stream ends only with an
    /// error.
    ///
    /// *From now on* misses nothing that is committed after this call has begun. It begins with the first event that was not
    /// visible then; an event that was visible comes only after one with a smaller number that was not.
    ///
    /// # Errors
    /// `TOO_MANY_SUBSCRIPTIONS`; `BAD_USER_INPUT` for a number that the outbox has not reached; and when the database fails for
    /// longer than the deadline.
    pub(super) async fn subscribe(
        &self,
        after: Option<i64>,
        accounts: Option<Vec<AccountRef>>,
    ) -> Result<impl Stream<Item = Result<FeedEvent>> + use<>> {
        let subscriber = Subscriber::admit(self, accounts.is_some())?;
        let settled = self.0.settled.subscribe();
        self.0.woken.notify_one();
        let reader = Reader::begin(subscriber, settled, after, accounts).await?;
        Ok(stream::unfold(Some(reader), |reader| async {
            let mut reader = reader?;
            match reader.next().await {
                Ok(event) => Some((Ok(event), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// Reads through a slot, again and again while only the moment is to blame, within the deadline.
    async fn read<T, F, Fut>(&self, read: F) -> Result<T, DbErr>
    where
        F: Fn(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, DbErr>>,
    {
        let deadline = Instant::now() + self.0.options.deadline;
        let mut delay = FIRST_DELAY;
        loop {
            let slot = self.read_slot().await;
            // Dropped, it gives its connection up.
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

/// Whether the same read may succeed a moment later.
fn is_passing(error: &DbErr) -> bool {
    matches!(
        FailureKind::of(error),
        FailureKind::Conflict
            | FailureKind::ConnectionLost
            | FailureKind::Unavailable
            | FailureKind::NoConnection
    )
}
