//! Finds out how far the outbox is settled, for all subscribers of a server.

use std::{
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::DbErr;
use tokio::{
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};
use unit_of_work::{Database, SharedEvents, UnitOfWork};

use super::{
    Feed, FeedOptions, Inner,
    settled::{Announcements, Settled},
    window::{TouchedBySubject, Window},
};
use crate::ledger::{self, Horizon, NUMBERED_AT_ONCE, OutboxEvent, Progress};

/// How long a lost wake-up can delay an event.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// The shortest time between two looks. Under load, one look finds many entries.
const PAUSE: Duration = Duration::from_millis(5);

/// How long the response to an event is kept for slower subscribers.
const SHARED_FOR: Duration = Duration::from_secs(10);

/// The longest time between two looks while an event is visible that is not settled.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The most events that one look reads.
const PAGE: usize = 1000;

/// The most events that one look reads while it waits for a gap. It only has to see whether the gap has filled.
const GLANCE: usize = 50;

/// Moves a feed's horizon. It ends when the feed is gone.
#[derive(Debug)]
pub struct Watcher {
    feed: Weak<Inner>,
    horizon: Horizon,
    /// Whether the settings of the outbox's sequence were checked.
    is_checked: bool,
    /// The least time before the next look; after a failure, a second.
    pause: Duration,
    /// Whether there is more to read at once.
    has_more: bool,
}

/// Why the outbox could not be read, or is not announced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The database failed.
    #[error("the outbox cannot be looked at")]
    Database(#[from] DbErr),
    /// The transaction that draws an id failed.
    #[error("no fence can be taken for the outbox")]
    Fence(#[source] DbErr),
    /// The sequence hands out numbers in blocks, so their order says nothing about when they were drawn.
    #[error(
        "the outbox is not announced: its sequence must have CACHE 1, INCREMENT BY 1 and NO CYCLE"
    )]
    Numbering,
}

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
}

impl Watcher {
    fn new(feed: &Feed) -> Self {
        Self {
            feed: Arc::downgrade(&feed.0),
            horizon: Horizon::default(),
            is_checked: false,
            pause: PAUSE,
            has_more: false,
        }
    }

    /// Waits until it is time to look at the outbox. `false` if the feed is gone.
    ///
    /// # Cancel safety
    /// Cancel safe: the next call waits anew.
    pub async fn due(&mut self) -> bool {
        if self.has_more {
            return self.feed.strong_count() > 0;
        }
        sleep(self.pause).await;
        loop {
            // Kept for a second at most, so that the feed can be dropped when nobody else has it.
            let Some(feed) = self.feed.upgrade() else {
                return false;
            };
            let is_needed = feed.settled.subscribers() > 0;
            if is_needed && self.horizon.is_waiting() {
                return true;
            }
            let woken = timeout(LOOK_ANYWAY, feed.woken.notified()).await.is_ok();
            if woken || is_needed || feed.options.watches_when_idle {
                return true;
            }
        }
    }

    /// Looks once, and tells subscribers.
    ///
    /// # Errors
    /// [`WatchError`]. Nothing is lost: the next look reads what this one did not.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn look(&mut self) -> Result<(), WatchError> {
        let Some(feed) = self.feed.upgrade() else {
            return Ok(());
        };
        let was_waiting = self.horizon.is_waiting();
        let last_pause = std::mem::replace(&mut self.pause, LOOK_ANYWAY);
        self.has_more = false;
        feed.shared.forget_old();
        if !self.is_checked {
            let check = async |unit| ledger::numbers_one_by_one(&unit).await;
            if !feed.database.read(check).await? {
                return Err(WatchError::Numbering);
            }
            self.is_checked = true;
        }
        let from = self.horizon.from();
        let limit = if was_waiting { GLANCE } else { PAGE };
        let look = async |unit| ledger::look_at_outbox(&unit, from, limit).await;
        let look = feed.database.read(look).await?;
        let (is_cut, has_unnumbered) = (look.is_cut, look.has_unnumbered);
        self.pause = PAUSE;
        // The horizon moves when its events are announced, without a wait in between: if this is dropped before, the next look reads them again.
        let mut horizon = self.horizon.clone();
        match horizon.see(look) {
            Progress::Events(events) if events.is_empty() => {
                if was_waiting {
                    self.pause = (last_pause * 2).min(LONGEST_PAUSE);
                }
            }
            Progress::Events(events) => {
                let touched = feed.touched(&events).await;
                self.has_more = is_cut;
                feed.announce(&events, touched, horizon.settled());
            }
            Progress::Jumped => feed.restart(horizon.settled()),
            Progress::HistoryLost => {
                tracing::error!(
                    settled = from,
                    "the database went back behind events that were announced: all subscriptions end"
                );
                feed.lose();
            }
        }
        self.horizon = horizon;
        if let Some(newest) = self.horizon.needs_fence() {
            self.pause = LOOK_ANYWAY;
            let id = feed.fence().await?;
            self.horizon.fence(newest, id);
            self.pause = PAUSE;
        }
        if has_unnumbered {
            self.pause = LOOK_ANYWAY;
            // What was read may be older than what is written: then there is nothing to number, and nothing new to read.
            self.has_more |= feed.number().await?;
            self.pause = PAUSE;
        }
        Ok(())
    }
}

impl Inner {
    /// Adds settled events to the window, and tells subscribers.
    fn announce(
        &self,
        events: &[OutboxEvent],
        touched: Option<TouchedBySubject>,
        settled: Option<i64>,
    ) {
        self.change_window(|window| window.extend(events, touched));
        self.settled.tell(|state| state.number = settled);
    }

    /// The accounts that these events are about. `None` if no subscriber chose accounts or ledgers, or they cannot be read: then subscribers
    /// that chose some read the table.
    async fn touched(&self, events: &[OutboxEvent]) -> Option<TouchedBySubject> {
        if self.choosing.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let subjects: Vec<_> = events.iter().map(|event| event.subject).collect();
        let read = async |unit| ledger::accounts_of_subjects(&unit, &subjects).await;
        self.database
            .read(read)
            .await
            .inspect_err(|error| tracing::warn!(%error, "the accounts of events cannot be read"))
            .ok()
    }

    /// Goes on from this number, without the events before it.
    fn restart(&self, settled: Option<i64>) {
        self.change_window(|window| window.clear(settled.unwrap_or(0)));
        self.settled.tell(|state| state.number = settled);
    }

    /// Ends all subscriptions.
    fn lose(&self) {
        self.change_window(|window| window.clear(0));
        self.settled.tell(|state| {
            *state = Settled {
                number: None,
                losses: state.losses + 1,
            };
        });
    }

    fn change_window(&self, change: impl FnOnce(&mut Window)) {
        let window = self.window.write();
        change(&mut window.unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives the events their numbers that are committed and have none, on MariaDB. Returns whether there were any.
    pub(super) async fn number(&self) -> Result<bool, DbErr> {
        let number = async |unit: UnitOfWork| {
            // If it is not known whether they were committed, the next call finds out.
            unit.needs_no_proof();
            ledger::number_events(&unit).await
        };
        let mut any = false;
        loop {
            let numbered = self.database.write(number).await?;
            any |= numbered > 0;
            if numbered < NUMBERED_AT_ONCE {
                return Ok(any);
            }
        }
    }

    /// Draws a transaction id. Its transaction is rolled back; the id is used up all the same.
    async fn fence(&self) -> Result<i64, WatchError> {
        enum Drawn {
            Id(i64),
            Failed(WatchError),
        }
        impl From<DbErr> for Drawn {
            fn from(error: DbErr) -> Self {
                Self::Failed(WatchError::Fence(error))
            }
        }
        let draw = async |unit| {
            Err::<std::convert::Infallible, _>(match ledger::fence_outbox(&unit).await {
                Ok(id) => Drawn::Id(id),
                Err(error) => Drawn::Failed(error.into()),
            })
        };
        match self.database.write(draw).await {
            Err(Drawn::Id(id)) => Ok(id),
            Err(Drawn::Failed(error)) => Err(error),
            Ok(never) => match never {},
        }
    }
}
