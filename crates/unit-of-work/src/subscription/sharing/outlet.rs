//! The way of a shared text past the engine.
//!
//! The engine executes whatever the stream of a resolver yields. So a shared text is not yielded: the stream puts it into the
//! [`Outlet`] of its request, and waits there until it was taken. [`Audience::stream`] lies around the engine's stream of
//! responses, and takes it. So a text never overtakes a response, nor a response a text.

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

/// Who may see the same responses: what a transport knows of a caller, and how it writes.
///
/// A transport that executes subscriptions by [`Audience::stream`] shares the responses of those whose resolvers allow it
/// ([`redeliver_shared`](crate::redeliver_shared)). It works with every executor; with one that shares nothing, every response is
/// the caller's own.
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

/// A response of a subscription, as a transport gets it.
#[derive(Debug)]
pub enum Streamed {
    /// The response to an event that was executed without an error, as the audience's function has written it. Others may have got
    /// the same bytes.
    Text(Bytes),
    /// A response of this caller's own, to be written.
    Response(Response),
}

impl Audience {
    /// Callers with an equal text may see the same response to the same operation. The text says all that the response can depend
    /// on and that the operation does not say: the caller's rights, who it is where that matters, and whatever else the transport
    /// puts into the request's data. What this crate itself reads there it looks at by itself: [`Report`](crate::Report),
    /// [`Isolation`](crate::Isolation) and [`SessionSettings`](crate::SessionSettings) have to be equal, and a request with an
    /// [`OperationDeadline`](crate::OperationDeadline) shares nothing.
    ///
    /// `write` writes a response in the transport's format, once for all.
    #[must_use]
    pub fn new(callers: impl Into<Arc<str>>, write: fn(&Response) -> Bytes) -> Self {
        Self {
            callers: callers.into(),
            write,
        }
    }

    /// Executes a request for a stream of responses.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the operation. An execution that others wait for is then left to one of them.
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

/// Where the stream of one subscription leaves what does not go through the engine. The request's data has it.
pub(crate) struct Outlet {
    audience: Audience,
    state: Mutex<State>,
    taken: Notify,
}

struct State {
    /// A text that is to be taken.
    text: Option<Bytes>,
    /// The duty to execute the event that was yielded last for others as well.
    lead: Option<Box<dyn Lead>>,
    /// An execution that began before is too old for this subscriber.
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

    /// Who asks, and in which format.
    pub(super) fn audience(&self) -> (&str, fn(&Response) -> Bytes) {
        (&self.audience.callers, self.audience.write)
    }

    /// An execution that began before is too old for this subscriber.
    pub(crate) fn not_before(&self) -> Instant {
        self.state().not_before
    }

    /// Hands over the text of an execution that ended then, and waits until it was taken.
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

    /// Takes note that the event that is about to be yielded is executed for others as well.
    pub(crate) fn lead(&self, lead: Box<dyn Lead>) {
        self.state().lead = Some(lead);
    }

    /// The event that was yielded last cannot be delivered.
    pub(crate) fn fail(&self, why: &Undelivered) {
        let lead = self.state().lead.take();
        if let Some(lead) = lead {
            lead.end(Outcome::Undelivered(why.clone()), false);
        }
    }

    /// A response that the engine has answered, for this subscriber and those who wait for it.
    fn tell(&self, response: Response) -> Streamed {
        let lead = self.state().lead.take();
        let Some(lead) = lead else {
            return Streamed::Response(response);
        };
        if response.data == Value::Null {
            // It is no event's. Dropped, the lead is another one's.
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
