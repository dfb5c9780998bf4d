//! Executions under way, and kept responses.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::Context;
use bytes::Bytes;
use tokio::time::Instant;

use super::{
    flight::{Flight, Outcome},
    outlet::Outlet,
    question::Question,
};
use crate::Undelivered;

/// How long subscribers wait for one execution before another one is begun. The client for which it is executed may have stopped reading,
/// and then its stream is not polled.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a subscriber waits for executions of others, in all. After that it executes the event for itself only.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The memory of a kept response, beside its text and its key.
const OVERHEAD: usize = 512;

/// Responses to a subscription's events, each executed once for all subscribers with the same operation.
///
/// `K` identifies an event. Anything else that makes a difference to the response, such as a value of the event that depends on the
/// subscriber, belongs to the key.
///
/// Pass it to [`redeliver_shared`](crate::redeliver_shared). Keep one for each source of events. Clones share the responses.
///
/// ```
/// use std::time::Duration;
/// use unit_of_work::SharedEvents;
///
/// // Responses to events that are identified by a number: 16 MiB of them, for five seconds.
/// let shared = SharedEvents::<u64>::new(16 * 1024 * 1024, Duration::from_secs(5));
/// # let _ = shared;
/// ```
pub struct SharedEvents<K>(Arc<Shared<K>>);

struct Shared<K> {
    most_bytes: usize,
    longest: Duration,
    kept: Mutex<Kept<K>>,
}

type Key<K> = (Question, K);

struct Kept<K> {
    /// The last execution of each event: under way, or kept.
    flights: HashMap<Key<K>, Arc<Flight>>,
    /// The executions that have ended, in order, with the memory of each.
    ended: VecDeque<(Key<K>, Arc<Flight>, usize)>,
    bytes: usize,
}

impl<K> Clone for SharedEvents<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for SharedEvents<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEvents")
            .field("most_bytes", &self.0.most_bytes)
            .field("longest", &self.0.longest)
            .finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> SharedEvents<K> {
    /// Keeps at most this many bytes of responses, each for at most this long.
    ///
    /// A response that is not kept is still shared by those that wait for it while it is executed.
    #[must_use]
    pub fn new(most_bytes: usize, longest: Duration) -> Self {
        Self(Arc::new(Shared {
            most_bytes,
            longest,
            kept: Mutex::new(Kept {
                flights: HashMap::new(),
                ended: VecDeque::new(),
                bytes: 0,
            }),
        }))
    }

    /// Frees the memory of responses that are too old. This also happens whenever another one is kept.
    pub fn forget_old(&self) {
        self.0.forget_old(&mut self.0.kept());
    }

    /// What this subscriber asks; `None` if it does not share responses. The root field's arguments named in `choosing` only choose events.
    pub(crate) fn asked(
        &self,
        ctx: &Context<'_>,
        outlet: &Outlet,
        choosing: &[&str],
    ) -> Option<Asked<K>> {
        Some(Asked {
            events: self.clone(),
            question: Question::of(ctx, outlet, choosing)?,
        })
    }
}

impl<K> Shared<K> {
    fn kept(&self) -> MutexGuard<'_, Kept<K>> {
        // Only a key's `Hash` or `Eq` can panic while the lock is held, which changes nothing here.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Shared<K> {
    fn forget_old(&self, kept: &mut Kept<K>) {
        let now = Instant::now();
        while let Some((_, flight, _)) = kept.ended.front() {
            let is_old = flight
                .ended()
                .is_none_or(|(_, at)| now.duration_since(at) > self.longest);
            if !is_old && kept.bytes <= self.most_bytes {
                break;
            }
            if let Some((key, flight, bytes)) = kept.ended.pop_front() {
                kept.bytes -= bytes;
                kept.remove(&key, &flight);
            }
        }
    }
}

impl<K: Eq + Hash> Kept<K> {
    /// Removes this execution, if it is the event's last one.
    fn remove(&mut self, key: &Key<K>, flight: &Arc<Flight>) {
        if self.is_last(key, flight) {
            self.flights.remove(key);
        }
    }

    fn is_last(&self, key: &Key<K>, flight: &Arc<Flight>) -> bool {
        let last = self.flights.get(key);
        last.is_some_and(|last| Arc::ptr_eq(last, flight))
    }
}

/// What one subscriber asks of each event.
pub(crate) struct Asked<K> {
    events: SharedEvents<K>,
    question: Question,
}

/// How a subscriber gets an event.
pub(crate) enum Joined {
    /// It executes the event, for others too.
    Leads(Box<dyn Lead>),
    /// It executes the event for itself only.
    Alone,
    /// It gets the text of another one's execution, which ended at this time.
    Text(Bytes, Instant),
    /// Another one could not execute it, while this one waited.
    Undelivered(Undelivered),
}

/// The next step of a subscriber that comes to an event.
enum Step {
    Lead,
    Take(Outcome, Instant),
    Wait(Arc<Flight>),
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Asked<K> {
    /// Gets an event, by an execution that began after `not_before`.
    ///
    /// # Cancel safety
    /// Cancel safe: if the lead is dropped, another subscriber executes the event.
    pub(crate) async fn join(&self, event: K, not_before: Instant) -> Joined {
        let key = (self.question.clone(), event);
        let give_up = Instant::now() + LONGEST_WAIT;
        // The execution that this subscriber has waited for. Its outcome counts even if it is not kept.
        let mut awaited = None::<Arc<Flight>>;
        loop {
            if let Some(flight) = awaited.take()
                && flight.began >= not_before
                && let Some((outcome, at)) = flight.ended()
            {
                return Joined::from_outcome(outcome, at);
            }
            let is_late = Instant::now() >= give_up;
            match self.step(&key, not_before) {
                (Step::Take(outcome, at), _) => return Joined::from_outcome(outcome, at),
                (Step::Lead, flight) => {
                    return Joined::Leads(Box::new(Leading {
                        events: Some(self.events.clone()),
                        key,
                        flight,
                    }));
                }
                (Step::Wait(_), _) if is_late => return Joined::Alone,
                (Step::Wait(flight), _) => {
                    flight.wait((flight.began + PATIENCE).min(give_up)).await;
                    awaited = Some(flight);
                }
            }
        }
    }

    fn step(&self, key: &Key<K>, not_before: Instant) -> (Step, Arc<Flight>) {
        let shared = &self.events.0;
        let mut kept = shared.kept();
        let now = Instant::now();
        if let Some(flight) = kept.flights.get(key) {
            let flight = Arc::clone(flight);
            // An execution that began too early is waited for all the same, so that all who come meanwhile share the next one.
            if flight.is_under_way() && now < flight.began + PATIENCE {
                return (Step::Wait(Arc::clone(&flight)), flight);
            }
            if flight.began >= not_before
                && let Some((outcome, at)) = flight.ended()
                && now.duration_since(at) <= shared.longest
            {
                return (Step::Take(outcome, at), flight);
            }
        }
        let flight = Arc::new(Flight::begin());
        kept.flights.insert(key.clone(), Arc::clone(&flight));
        (Step::Lead, flight)
    }
}

impl Joined {
    fn from_outcome(outcome: Outcome, at: Instant) -> Self {
        match outcome {
            Outcome::Text(text) => {
                metrics::counter!("unit_of_work_events_shared_total").increment(1);
                Self::Text(text, at)
            }
            Outcome::Undelivered(why) => Self::Undelivered(why),
        }
    }
}

/// The duty to execute an event for all that wait for it. If it is dropped, one of them takes over.
pub(crate) trait Lead: Send {
    /// Hands the outcome to those that wait, and keeps it for later ones if `is_kept`. Returns the time of the end.
    fn end(self: Box<Self>, outcome: Outcome, is_kept: bool) -> Instant;
}

struct Leading<K: Eq + Hash> {
    /// `None` once it has ended.
    events: Option<SharedEvents<K>>,
    key: Key<K>,
    flight: Arc<Flight>,
}

impl<K: Clone + Eq + Hash + Send + Sync> Lead for Leading<K> {
    fn end(mut self: Box<Self>, outcome: Outcome, is_kept: bool) -> Instant {
        let bytes = match &outcome {
            Outcome::Text(text) => text.len() + self.key.0.len() + OVERHEAD,
            Outcome::Undelivered(_) => OVERHEAD,
        };
        let at = self.flight.end(outcome);
        if let Some(events) = self.events.take() {
            let shared = &events.0;
            let mut kept = shared.kept();
            if !is_kept {
                kept.remove(&self.key, &self.flight);
            } else if kept.is_last(&self.key, &self.flight) {
                let ended = (self.key.clone(), Arc::clone(&self.flight), bytes);
                kept.ended.push_back(ended);
                kept.bytes += bytes;
            }
            shared.forget_old(&mut kept);
        }
        at
    }
}

impl<K: Eq + Hash> Drop for Leading<K> {
    fn drop(&mut self) {
        if let Some(events) = self.events.take() {
            events.0.kept().remove(&self.key, &self.flight);
            // After it was removed, so that those that wake up do not find it.
            self.flight.abandon();
        }
    }
}
