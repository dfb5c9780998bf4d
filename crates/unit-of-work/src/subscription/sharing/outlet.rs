//! Brings a shared text to the transport, past the engine.
//!
//! The engine executes everything that a resolver's stream yields. So a shared text is not yielded: the stream puts it into the [`Outlet`]
//! of its request, and waits until it was taken. [`Audience::stream`], around the engine's stream of responses, takes it. So texts and
//! responses stay in order.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use async_graphql::{Executor, Request, Response, Value};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{sync::Notify, time::Instant};

use super::{events::Lead, flight::Outcome};
use crate::Undelivered;

/// The callers that may see the same responses, and the format in which a transport writes them.
///
/// A transport that executes subscriptions by [`Audience::stream`] shares the responses of those whose resolvers allow it
/// ([`redeliver_shared`](crate::redeliver_shared)). It works with every executor. If the executor shares nothing, every response is the
/// caller's own.
///
/// ```
/// # use async_graphql::{Executor, Request, Response};
/// # use futures_util::{StreamExt, stream::BoxStream};
/// use unit_of_work::{Audience, Streamed};
///
/// fn write(response: &Response) -> bytes::Bytes {
///     serde_json::to_vec(response).unwrap_or_default().into()
/// }
///
/// fn texts(executor: &impl Executor, request: Request, scopes: &[String]) -> BoxStream<'static, bytes::Bytes> {
///     let audience = Audience::new(format!("{scopes:?}"), write);
///     let responses = audience.stream(executor, request);
///     let texts = responses.map(|response| match response {
///         Streamed::Text(text) => text,
///         Streamed::Response(response) => write(&response),
///     });
///     texts.boxed()
/// }
/// ```
#[derive(Clone)]
pub struct Audience {
    callers: Arc<str>,
    write: fn(&Response) -> Bytes,
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience")
            .field("callers", &self.callers)
            .finish_non_exhaustive()
    }
}

/// A response of a subscription, as a transport gets it from [`Audience::stream`], which has an example.
#[derive(Debug)]
pub enum Streamed {
    /// The response to an event that was executed without an error, written by the audience's function. Others may get the same bytes.
    Text(Bytes),
    /// A response for this caller only, which the transport must write.
    Response(Response),
}

impl Audience {
    /// Callers with an equal text may see the same response to the same operation. The text must contain everything on which the response
    /// can depend beside the operation: the caller's rights, the caller's name if that matters, and whatever else the transport puts into
    /// the request's data. This crate compares its own options itself: [`Report`](crate::Report), [`Isolation`](crate::Isolation) and
    /// [`SessionSettings`](crate::SessionSettings) must be equal, and a request with an [`OperationDeadline`](crate::OperationDeadline)
    /// shares nothing.
    ///
    /// `write` writes a response in the transport's format, once for all callers.
    #[must_use]
    pub fn new(callers: impl Into<Arc<str>>, write: fn(&Response) -> Bytes) -> Self {
        Self {
            callers: callers.into(),
            write,
        }
    }

    /// Executes a request, and returns its stream of responses.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the operation. If others wait for its execution of an event, one of them takes over.
    pub fn stream<E: Executor>(
        self,
        executor: &E,
        request: Request,
    ) -> BoxStream<'static, Streamed> {
        let outlet = Arc::new(Outlet::new(self));
        let mut responses = executor.execute_stream(request.data(Arc::clone(&outlet)), None);
        stream::poll_fn(move |context| {
            if let Some(text) = outlet.take() {
                return Poll::Ready(Some(Streamed::Text(text)));
            }
            match responses.poll_next_unpin(context) {
                Poll::Ready(response) => Poll::Ready(response.map(|it| outlet.tell(it))),
                Poll::Pending => match outlet.take() {
                    Some(text) => Poll::Ready(Some(Streamed::Text(text))),
                    None => Poll::Pending,
                },
            }
        })
        .boxed()
    }
}

/// Where the stream of one subscription puts texts that do not go through the engine. It is in the request's data.
pub(crate) struct Outlet {
    audience: Audience,
    state: Mutex<State>,
    taken: Notify,
}

struct State {
    /// A text that was not taken yet.
    text: Option<Bytes>,
    /// The duty to execute the last event for others too.
    lead: Option<Box<dyn Lead>>,
    /// Executions that began before this are too old for this subscriber.
    not_before: Instant,
}

impl Outlet {
    fn new(audience: Audience) -> Self {
        Self {
            audience,
            state: Mutex::new(State {
                text: None,
                lead: None,
                not_before: Instant::now(),
            }),
            taken: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callers, and the format.
    pub(super) fn audience(&self) -> (&str, fn(&Response) -> Bytes) {
        (&self.audience.callers, self.audience.write)
    }

    /// Executions that began before this are too old for this subscriber.
    pub(crate) fn not_before(&self) -> Instant {
        self.state().not_before
    }

    /// Hands over the text of an execution that ended at this time, and waits until it was taken.
    pub(crate) async fn put(&self, text: Bytes, ended: Instant) {
        {
            let mut state = self.state();
            state.text = Some(text);
            state.not_before = ended;
        }
        self.taken.notified().await;
    }

    fn take(&self) -> Option<Bytes> {
        let text = self.state().text.take()?;
        self.taken.notify_one();
        Some(text)
    }

    /// Notes that the event that is yielded next is executed for others too.
    pub(crate) fn lead(&self, lead: Box<dyn Lead>) {
        self.state().lead = Some(lead);
    }

    /// Notes that the last event cannot be delivered.
    pub(crate) fn fail(&self, why: &Undelivered) {
        let lead = self.state().lead.take();
        if let Some(lead) = lead {
            lead.end(Outcome::Undelivered(why.clone()), false);
        }
    }

    /// Hands a response of the engine to those that wait for it, and returns it for this subscriber.
    fn tell(&self, response: Response) -> Streamed {
        let lead = self.state().lead.take();
        let Some(lead) = lead else {
            return Streamed::Response(response);
        };
        if response.data == Value::Null {
            // It does not belong to an event. Dropping the lead lets another subscriber take over.
            return Streamed::Response(response);
        }
        let text = (self.audience.write)(&response);
        let is_whole = response.errors.is_empty();
        let ended = lead.end(Outcome::Text(text.clone()), is_whole);
        self.state().not_before = ended;
        if is_whole {
            Streamed::Text(text)
        } else {
            Streamed::Response(response)
        }
    }
}
