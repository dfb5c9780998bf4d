//! An event as a subscriber gets it.

use crate::ledger::OutboxEvent;

/// An event, and how many come after it.
#[derive(Clone, Copy, Debug)]
pub(in crate::graphql) struct FeedEvent {
    pub(in crate::graphql) event: OutboxEvent,
    /// How many events were committed after it when it was read, at most.
    pub(in crate::graphql) behind: i64,
    /// The cursor before it: a client that did not get the event resumes there.
    pub(in crate::graphql) resume_after: i64,
    /// How often the database had lost events. After a loss, the same number can be another event.
    pub(super) losses: u64,
}

/// What distinguishes the responses to events, among subscribers with the same selection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::graphql) struct EventKey {
    losses: u64,
    number: i64,
    /// Set if the response contains it. Then only subscribers that are equally far behind share a response.
    behind: Option<i64>,
}

impl FeedEvent {
    /// An event that is told by itself, outside of a stream.
    pub(in crate::graphql) const fn alone(event: OutboxEvent) -> Self {
        Self {
            event,
            behind: 0,
            resume_after: event.seq - 1,
            losses: 0,
        }
    }

    pub(in crate::graphql) fn key(&self, tells_behind: bool) -> EventKey {
        EventKey {
            losses: self.losses,
            number: self.event.seq,
            behind: tells_behind.then_some(self.behind),
        }
    }
}
