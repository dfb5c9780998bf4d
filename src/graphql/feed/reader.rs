//! A subscriber's position in the outbox, and how it advances.

use std::{collections::VecDeque, sync::PoisonError};

use async_graphql::Result;
use tokio::sync::watch;

use super::{
    error::{history_lost, unreadable},
    event::FeedEvent,
    settled::Settled,
    subscriber::Subscriber,
    window::{Taken, Wanted},
};
use crate::{
    graphql::refusal::bad_input,
    ledger::{self, AccountRef, Chosen, EventKind, OutboxEvent, Visible},
};

/// The most events that a subscriber has in memory.
const BATCH: usize = 100;

/// How far below the largest number gaps are looked for, if a subscription begins without a cursor on a server that does not yet know how
/// far the outbox is settled.
const LOOK_BACK: i64 = 10_000;

pub(super) struct Reader {
    subscriber: Subscriber,
    settled: watch::Receiver<Settled>,
    /// How often the database had lost events when this subscription began.
    losses: u64,
    /// Everything up to this number has been read.
    position: i64,
    /// The number of the last event that was yielded: a client that got it resumes there.
    resume_after: i64,
    /// Set while the subscription's starting number is not known yet.
    beginning: Option<Beginning>,
    kind: EventKind,
    accounts: Option<Vec<AccountRef>>,
    visible: Option<Visible>,
    wanted: Wanted,
    /// Events that were read, and not yielded yet.
    read: VecDeque<OutboxEvent>,
}

/// What was visible when a subscription without a cursor began, if there were gaps between the numbers.
struct Beginning {
    /// The largest number that was visible.
    newest: i64,
    /// The numbers that were visible, in order: those after [`Reader::position`].
    visible: Vec<i64>,
}

impl Reader {
    /// Begins after number `after`, or with the first event that is not visible yet.
    pub(super) async fn begin(
        subscriber: Subscriber,
        settled: watch::Receiver<Settled>,
        after: Option<i64>,
        kind: EventKind,
        accounts: Option<Vec<AccountRef>>,
        visible: Option<Visible>,
    ) -> Result<Self> {
        let Settled { number, losses } = *settled.borrow();
        let mut reader = Self {
            subscriber,
            settled,
            losses,
            position: after.or(number).unwrap_or(0),
            resume_after: after.unwrap_or(0),
            beginning: None,
            kind,
            wanted: Wanted::new(Chosen {
                kind,
                accounts: accounts.as_deref(),
                visible: visible.as_ref(),
            }),
            accounts,
            visible,
            read: VecDeque::new(),
        };
        match after {
            Some(after) if number.is_none_or(|settled| settled < after) => {
                reader.check(after).await?;
            }
            Some(_) => {}
            None => reader.begin_now(number).await?,
        }
        Ok(reader)
    }

    /// Checks a client's cursor: the database must have that event, since an event is visible before any server delivers it.
    async fn check(&self, after: i64) -> Result<()> {
        let read = async |unit| ledger::newest_in_outbox(&unit).await;
        let newest = self.subscriber.feed.read(read).await;
        if newest.map_err(|error| unreadable(after, &error))? < after {
            return Err(bad_input(
                "after",
                "no event has this cursor yet: give one as it arrived in an event of this ledger, or \"0\" for the beginning",
            ));
        }
        Ok(())
    }

    /// Begins with the first event that is not visible now.
    async fn begin_now(&mut self, settled: Option<i64>) -> Result<()> {
        let after = self.position;
        let numbered = self.subscriber.feed.number().await;
        numbered.map_err(|error| unreadable(after, &error))?;
        let read = async |unit| ledger::visible_in_outbox(&unit, after, LOOK_BACK).await;
        let visible = self.subscriber.feed.read(read).await;
        let visible = visible.map_err(|error| unreadable(after, &error))?;
        let Some(newest) = visible.last().copied() else {
            // Everything that is visible is settled.
            return Ok(());
        };
        let looked_from = after.max(newest - LOOK_BACK);
        if settled.is_some() && looked_from > after {
            // Too many to remember: the subscription begins with everything that is not settled.
            return Ok(());
        }
        self.position = looked_from;
        let has_gaps = visible.len() < usize::try_from(newest - looked_from).unwrap_or(usize::MAX);
        if has_gaps {
            self.beginning = Some(Beginning { newest, visible });
        } else {
            self.position = newest;
        }
        self.resume_after = self.position;
        Ok(())
    }

    /// The next event.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read stays read.
    pub(super) async fn next(&mut self) -> Result<FeedEvent> {
        loop {
            let Settled { number, losses } = *self.settled.borrow_and_update();
            if losses != self.losses {
                return Err(history_lost());
            }
            let settled = number.unwrap_or(0);
            if let Some(event) = self.read.pop_front() {
                let resume_after = std::mem::replace(&mut self.resume_after, event.seq);
                return Ok(FeedEvent {
                    event,
                    behind: settled.saturating_sub(event.seq).max(0),
                    resume_after,
                    losses,
                });
            }
            let awaited = self.beginning.as_ref().map(|beginning| beginning.newest);
            if settled < awaited.unwrap_or(self.position + 1) {
                // It fails only if the sender is gone, and the reader keeps the feed with the sender alive.
                let _ = self.settled.changed().await;
            } else if let Some(beginning) = &self.beginning {
                let position = self.first_after(beginning).await?;
                self.beginning = None;
                self.position = position;
                self.resume_after = position;
            } else {
                let Taken { events, until } = self.take(settled).await?;
                self.read = events.into();
                self.position = until;
            }
        }
    }

    /// The number before the first event that became visible after the subscription began.
    async fn first_after(&self, beginning: &Beginning) -> Result<i64> {
        let position = self.position;
        let read = async |unit| ledger::visible_in_outbox(&unit, position, i64::MAX).await;
        let visible = self.subscriber.feed.read(read).await;
        let visible = visible.map_err(|error| unreadable(position, &error))?;
        let news = visible
            .into_iter()
            .take_while(|seq| *seq <= beginning.newest);
        let first = news
            .into_iter()
            .find(|seq| beginning.visible.binary_search(seq).is_err());
        Ok(first.map_or(beginning.newest, |first| first - 1))
    }

    /// Takes the next events from the window, or from the table if the window does not have them.
    async fn take(&self, settled: i64) -> Result<Taken> {
        let feed = &self.subscriber.feed;
        {
            let window = feed.0.window.read();
            let window = window.unwrap_or_else(PoisonError::into_inner);
            if let Some(taken) = window.take(self.position, &self.wanted, BATCH) {
                return Ok(taken);
            }
        }
        metrics::counter!("graphql_subscriptions_behind_total").increment(1);
        let after = self.position;
        let chosen = Chosen {
            kind: self.kind,
            accounts: self.accounts.as_deref(),
            visible: self.visible.as_ref(),
        };
        let read = async |unit| ledger::read_outbox(&unit, after, settled, chosen, BATCH).await;
        let events = feed.read(read).await;
        let events = events.map_err(|error| unreadable(self.resume_after, &error))?;
        let until = match events.last() {
            Some(last) if events.len() == BATCH => last.seq,
            _ => settled,
        };
        Ok(Taken { events, until })
    }
}
