//! Runs a subscription's event again if its read failed, like a query.
//!
//! async-graphql executes an event once, on a unit of its own, as soon as the subscription's stream yields it. So to run an event again,
//! the stream must yield it again. Three parts share a [`Delivery`] for that:
//!
//! - [`Retrying`](crate::Retrying) puts it into the request's data;
//! - the extension notes in it how the execution of each event ended, and discards the response of a failed one;
//! - [`redeliver`], around the stream that a resolver returns, yields a failed event again, and ends the stream with the application's own
//!   error if an event cannot be delivered.
//!
//! [`redeliver_shared`] does the same for events that are executed for many subscribers at once (`sharing`).
//!
//! The stream is polled for the next event only after the response to the last one was taken.

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::{Context, Error, Response, Value};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep};

use crate::{
    FailureKind, RetryPolicy, Undelivered,
    subscription::sharing::{Asked, Joined, Outlet, SharedEvents},
};

/// The state of a subscription's current event.
#[derive(Debug)]
pub(crate) struct Delivery {
    policy: RetryPolicy,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// No event is being executed that could be yielded again.
    #[default]
    Idle,
    /// An event is being executed. `since`: when it was first yielded.
    UnderWay { since: Instant, attempt: u32 },
    /// The attempt failed, and its response was discarded.
    Lost { since: Instant, attempt: u32 },
    /// The event cannot be delivered. Its response was discarded.
    Failed(Undelivered),
}

impl Delivery {
    pub(crate) fn new(policy: &RetryPolicy) -> Arc<Self> {
        Arc::new(Self {
            policy: *policy,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the current event was first yielded. Its deadline counts from then.
    pub(crate) fn started(&self) -> Option<Instant> {
        match *self.state() {
            State::UnderWay { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Whether the event is run again after its unit ended like this. If so, its response is [`discarded`].
    pub(crate) fn is_lost(&self, doom: Option<FailureKind>, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        let State::UnderWay { since, attempt } = *state else {
            return false;
        };
        let has_time = match deadline {
            Some(deadline) => Instant::now() + self.policy.delay_after(attempt) < deadline,
            None => attempt < self.policy.attempts,
        };
        if !doom.is_some_and(may_succeed_again) || !has_time {
            return false;
        }
        *state = State::Lost { since, attempt };
        true
    }

    /// Notes the response to an event that is not run again, and returns what the client gets: the response, or nothing if it does not have
    /// the event.
    pub(crate) fn answered(&self, response: Response, doom: Option<FailureKind>) -> Response {
        let mut state = self.state();
        if !matches!(*state, State::UnderWay { .. }) {
            return response;
        }
        let was_lost = doom.is_some_and(may_succeed_again);
        if !was_lost && response.data != Value::Null {
            *state = State::Idle;
            return response;
        }
        let mut undelivered = Undelivered::of(&response);
        undelivered.retryable |= was_lost;
        *state = State::Failed(undelivered);
        discarded()
    }
}

/// The member of `extensions` that marks a response which is not for the client.
const DISCARDED: &str = "unitOfWork/discarded";

/// A placeholder for a response that the client must not see. It is not an error: a dynamic schema ends a subscription at the first event
/// with an error, and this event is to come again.
pub(crate) fn discarded() -> Response {
    Response::default().extension(DISCARDED, Value::Null)
}

/// Whether a response is for the client.
pub(crate) fn is_for_the_client(response: &Response) -> bool {
    response.extensions.is_empty() || !response.extensions.contains_key(DISCARDED)
}

/// Whether the failure may pass, so that the same read may soon succeed.
fn may_succeed_again(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Conflict
            | FailureKind::ConnectionLost
            | FailureKind::Unavailable
            | FailureKind::NoConnection
    )
}

/// Yields each event until it was delivered.
///
/// If the read of an event fails (a conflict, a lost connection, no connection in time), nothing of it reaches the client, and the event is
/// executed again on a fresh unit, within the operation's deadline, counted from its first execution. If it still cannot be delivered (its
/// response would have no data), the stream ends with the error that `undelivered` returns, which should tell the client where to resume.
/// So no event is ever skipped.
///
/// It needs a [`Retrying`](crate::Retrying) around the schema. Without that, events pass unchanged.
///
/// ```no_run
/// # use async_graphql::{Context, Error, ErrorExtensions, Result, Subscription};
/// # use futures_util::{Stream, stream};
/// # struct Subscriptions;
/// #[Subscription]
/// impl Subscriptions {
///     async fn ticks(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Result<i32>> + use<>> {
///         let numbers = stream::iter((1..).map(Ok));
///         Ok(unit_of_work::redeliver(ctx, numbers, |number, _| {
///             Error::new(format!("interrupted: resume at {number}"))
///         }))
///     }
/// }
/// ```
///
/// # Cancel safety
/// Dropping the stream drops `events`.
pub fn redeliver<T, S, F>(
    ctx: &Context<'_>,
    events: S,
    undelivered: F,
) -> impl Stream<Item = Result<T, Error>> + Send + use<T, S, F>
where
    T: Clone + Send + 'static,
    S: Stream<Item = Result<T, Error>> + Send + 'static,
    F: Fn(T, Undelivered) -> Error + Send + 'static,
{
    Redelivery {
        delivery: ctx.data_opt::<Arc<Delivery>>().cloned(),
        sharing: None::<Sharing<T, ()>>,
        events: events.boxed(),
        last: None,
        undelivered,
    }
    .into_stream()
}

/// Yields each event until it was delivered, as [`redeliver`] does, and executes it once for all subscribers with the same operation.
///
/// Subscribers share a response if their transport allows it ([`Audience`](crate::Audience)) and their operations are the same, except for
/// the arguments of the root field named in `choosing`, which only choose events. `key` identifies an event. It must contain everything
/// that can make a difference to the response: if the operation selects a value that differs between subscribers, that value belongs to the
/// key.
///
/// So use it only if the resolvers below the root field depend on nothing but their arguments, the event, the database, and the audience's
/// text.
///
/// The first subscriber that comes to an event gets it from this stream, and the engine executes it. The others get the text of the
/// response without the engine; for them this stream yields nothing. A response with errors goes to those that waited for it, and is not
/// kept. An event that cannot be delivered ends the streams of those that waited for it, each with an error of its own.
///
/// A response was executed after its subscription had begun, and after the previous response on the same stream. So a subscriber never sees
/// the database go back.
///
/// ```no_run
/// # use async_graphql::{Context, Error, Result, Subscription};
/// # use futures_util::{Stream, stream};
/// use unit_of_work::{SharedEvents, redeliver_shared};
///
/// struct Subscriptions {
///     shared: SharedEvents<i32>,
/// }
///
/// #[Subscription]
/// impl Subscriptions {
///     /// Numbers after `after`. The argument only chooses events, and the number identifies an event.
///     async fn ticks(
///         &self,
///         ctx: &Context<'_>,
///         after: i32,
///     ) -> Result<impl Stream<Item = Result<i32>> + use<>> {
///         let numbers = stream::iter((after + 1..).map(Ok));
///         Ok(redeliver_shared(ctx, numbers, &self.shared, &["after"], |number| *number, |number, _| {
///             Error::new(format!("interrupted: resume after {}", number - 1))
///         }))
///     }
/// }
/// ```
///
/// # Cancel safety
/// Dropping the stream drops `events`. If others wait for its execution of an event, one of them takes over.
pub fn redeliver_shared<T, K, S, G, F>(
    ctx: &Context<'_>,
    events: S,
    shared: &SharedEvents<K>,
    choosing: &[&str],
    key: G,
    undelivered: F,
) -> impl Stream<Item = Result<T, Error>> + Send + use<T, K, S, G, F>
where
    T: Clone + Send + 'static,
    K: Clone + Eq + Hash + Send + Sync + 'static,
    S: Stream<Item = Result<T, Error>> + Send + 'static,
    G: Fn(&T) -> K + Send + Sync + 'static,
    F: Fn(T, Undelivered) -> Error + Send + 'static,
{
    let outlet = ctx.data_opt::<Arc<Outlet>>();
    let sharing = outlet.and_then(|outlet| {
        Some(Sharing {
            asked: shared.asked(ctx, outlet, choosing)?,
            outlet: Arc::clone(outlet),
            key: Box::new(key),
        })
    });
    Redelivery {
        delivery: ctx.data_opt::<Arc<Delivery>>().cloned(),
        sharing,
        events: events.boxed(),
        last: None,
        undelivered,
    }
    .into_stream()
}

struct Redelivery<T, K, F> {
    delivery: Option<Arc<Delivery>>,
    /// `None` if every event is executed for this subscriber only.
    sharing: Option<Sharing<T, K>>,
    events: BoxStream<'static, Result<T, Error>>,
    /// The last event that was yielded.
    last: Option<T>,
    undelivered: F,
}

/// How a subscriber shares events with others.
struct Sharing<T, K> {
    asked: Asked<K>,
    outlet: Arc<Outlet>,
    key: Box<dyn Fn(&T) -> K + Send + Sync>,
}

impl<T, K> Sharing<T, K>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// Whether the event must be executed for this subscriber. `Ok(false)` if it got a shared response; an error if the event cannot be
    /// delivered.
    async fn is_executed(&self, key: K) -> Result<bool, Undelivered> {
        match self.asked.join(key, self.outlet.not_before()).await {
            Joined::Leads(lead) => self.outlet.lead(lead),
            Joined::Alone => {}
            Joined::Text(text, ended) => {
                self.outlet.put(text, ended).await;
                return Ok(false);
            }
            Joined::Undelivered(why) => return Err(why),
        }
        Ok(true)
    }
}

impl<T, K, F> Redelivery<T, K, F>
where
    T: Clone + Send + 'static,
    K: Clone + Eq + Hash + Send + Sync + 'static,
    F: Fn(T, Undelivered) -> Error + Send + 'static,
{
    fn into_stream(self) -> impl Stream<Item = Result<T, Error>> + Send + use<T, K, F> {
        stream::unfold(Some(self), |redelivery| async {
            let mut redelivery = redelivery?;
            match redelivery.next().await? {
                Ok(event) => Some((Ok(event), Some(redelivery))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Option<Result<T, Error>> {
        let Some(delivery) = self.delivery.clone() else {
            return self.events.next().await;
        };
        let state = std::mem::take(&mut *delivery.state());
        match (state, self.last.take()) {
            (State::Lost { since, attempt }, Some(event)) => {
                sleep(delivery.policy.delay_after(attempt)).await;
                let attempt = attempt + 1;
                *delivery.state() = State::UnderWay { since, attempt };
                self.last = Some(event.clone());
                Some(Ok(event))
            }
            (State::Failed(why), Some(event)) => {
                if let Some(sharing) = &self.sharing {
                    sharing.outlet.fail(&why);
                }
                Some(Err((self.undelivered)(event, why)))
            }
            _ => {
                let event = match self.next_to_execute().await? {
                    Ok(event) => event,
                    Err(error) => return Some(Err(error)),
                };
                *delivery.state() = State::UnderWay {
                    since: Instant::now(),
                    attempt: 1,
                };
                self.last = Some(event.clone());
                Some(Ok(event))
            }
        }
    }

    /// The next event that must be executed. Those before it had shared responses.
    async fn next_to_execute(&mut self) -> Option<Result<T, Error>> {
        loop {
            let event = match self.events.next().await? {
                Ok(event) => event,
                Err(error) => return Some(Err(error)),
            };
            let Some(sharing) = &self.sharing else {
                return Some(Ok(event));
            };
            match sharing.is_executed((sharing.key)(&event)).await {
                Ok(true) => return Some(Ok(event)),
                Ok(false) => {}
                Err(why) => return Some(Err((self.undelivered)(event, why))),
            }
        }
    }
}

impl RetryPolicy {
    /// The wait after this attempt (counted from 1), without the random part.
    fn delay_after(&self, attempt: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.first_delay
            .saturating_mul(doubled.max(1))
            .min(self.longest_delay)
    }
}
