//! The feed: what is committed, from any place of the outbox on.
//!
//! One task looks how far the outbox is settled, while there are subscribers: when it is woken, and once a second in any case, so that a
//! wake-up that got lost costs a second and no event. Each subscriber reads on by itself, at most [`BATCH`] events at a time, and the next ones
//! only when these are taken: a slow one holds up nobody and takes no memory; it is merely behind, and each event says by how much.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_graphql::{
    Result,
    futures_util::{Stream, stream},
};
use sea_orm::DbErr;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use unit_of_work::Database;

use crate::ledger::{self, AccountRef, Horizon, OutboxEvent};

/// How many events a subscriber has in memory at most.
const BATCH: u64 = 100;

/// How long a wake-up that got lost can go unnoticed.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// The least time between two looks: under load one look finds many entries.
const PAUSE: Duration = Duration::from_millis(5);

/// The feed of a database. Cheap to clone; all clones are one feed.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    settled: watch::Sender<i64>,
    /// For whoever looks.
    woken: Notify,
    /// For whoever tells other servers.
    committed: Notify,
    /// Whether somebody looks.
    is_watched: Mutex<bool>,
}

/// An event, and how many come after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeedEvent {
    pub(super) event: OutboxEvent,
    /// At most so many had been committed after it when it was read.
    pub(super) behind: i64,
}

impl Feed {
    /// The feed of `database`'s outbox.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self(Arc::new(Inner {
            database,
            settled: watch::Sender::new(0),
            woken: Notify::new(),
            committed: Notify::new(),
            is_watched: Mutex::new(false),
        }))
    }

    /// Says that this process has committed an entry.
    pub(super) fn commit(&self) {
        self.0.woken.notify_one();
        self.0.committed.notify_one();
    }

    /// Says that another process has committed an entry.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Waits for a commit of this process since the last call.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn committed(&self) {
        self.0.committed.notified().await;
    }

    /// Events after number `after`, or from now on, that touch one of `accounts`, if any are given. The stream does not end by itself,
    /// unless the database fails.
    pub(super) async fn subscribe(
        &self,
        after: Option<i64>,
        accounts: Option<Vec<AccountRef>>,
    ) -> Result<impl Stream<Item = Result<FeedEvent>> + use<>> {
        let mut settled = self.0.settled.subscribe();
        self.watch();
        let position = match after {
            Some(after) => after,
            // What is visible now is not news, settled or not.
            None => self.sight().await?.newest,
        };
        settled.mark_changed();
        let reader = Reader {
            feed: self.clone(),
            settled,
            position,
            accounts,
            read: VecDeque::new(),
        };
        Ok(stream::unfold(Some(reader), |reader| async {
            let mut reader = reader?;
            match reader.next().await {
                Ok(event) => Some((Ok(event), Some(reader))),
                Err(error) => Some((Err(async_graphql::Error::new_with_source(error)), None)),
            }
        }))
    }

    async fn sight(&self) -> Result<ledger::Sighting, DbErr> {
        let database = &self.0.database;
        database
            .read(async |unit| ledger::sight_outbox(&unit).await)
            .await
    }

    /// Sees to it that somebody looks, from now until there is no subscriber.
    fn watch(&self) {
        let mut is_watched = self
            .0
            .is_watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*is_watched {
            *is_watched = true;
            tokio::spawn(self.clone().look());
        }
        self.wake();
    }

    async fn look(self) {
        let mut horizon = Horizon::default();
        loop {
            match self.sight().await {
                Ok(sighting) => horizon.see(sighting),
                // Subscribers that read meet the same error, and say so to their clients.
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be looked at");
                    sleep(LOOK_ANYWAY).await;
                }
            }
            self.0.settled.send_if_modified(|settled| {
                let moved = horizon.settled() > *settled;
                *settled = horizon.settled().max(*settled);
                moved
            });
            {
                let mut is_watched = self
                    .0
                    .is_watched
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if self.0.settled.receiver_count() == 0 {
                    *is_watched = false;
                    return;
                }
            }
            sleep(PAUSE).await;
            if !horizon.is_awaiting() {
                let _ = timeout(LOOK_ANYWAY, self.0.woken.notified()).await;
            }
        }
    }
}

/// A subscriber's place.
struct Reader {
    feed: Feed,
    settled: watch::Receiver<i64>,
    /// Everything up to this number has been read.
    position: i64,
    accounts: Option<Vec<AccountRef>>,
    /// Read, and not taken.
    read: VecDeque<OutboxEvent>,
}

impl Reader {
    async fn next(&mut self) -> Result<FeedEvent, DbErr> {
        loop {
            let settled = *self.settled.borrow_and_update();
            if let Some(event) = self.read.pop_front() {
                let behind = settled.saturating_sub(event.seq).max(0);
                return Ok(FeedEvent { event, behind });
            }
            if settled <= self.position {
                // The sender lives as long as the feed.
                let _ = self.settled.changed().await;
                continue;
            }
            let (after, accounts) = (self.position, self.accounts.as_deref());
            let database = &self.feed.0.database;
            let events = database
                .read(async |unit| {
                    ledger::read_outbox(&unit, after, settled, accounts, BATCH).await
                })
                .await?;
            let is_full = u64::try_from(events.len()).is_ok_and(|read| read == BATCH);
            self.position = match events.last() {
                Some(last) if is_full => last.seq,
                _ => settled,
            };
            self.read = events.into();
        }
    }
}
