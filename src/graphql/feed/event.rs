//! An event as subscribers get it.

use crate::ledger::OutboxEvent;

/// An event, and how many come after it.
#[derive(Clone, Copy, Debug)]
pub(in crate::graphql) struct FeedEvent {
    pub(in crate::graphql) event: OutboxEvent,
    /// At most so many had been committed after it when it was read.
    pub(in crate::graphql) behind: i64,
    /// The cursor before it, from which a client resumes that did not get it.
    pub(in crate::graphql) resume_after: i64,
    /// How often history had been lost: the same number is another event then.
    pub(super) losses: u64,
}

/// What tells the response to one event from that to another, for subscribers who ask the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::graphql) struct EventKey {
    losses: u64,
    number: i64,
    /// Where the response tells it. Who is equally far behind gets the same.
    behind: Option<i64>,
}

impl FeedEvent {
    pub(in crate::graphql) fn key(&self, tells_behind: bool) -> EventKey {
        EventKey {
            losses: self.losses,
            number: self.event.seq,
            behind: tells_behind.then_some(self.behind),
        }
    }
}
