//! What lies around the events of a subscription: the creation of its stream, and the wait for the next event.
//!
//! An event is executed, and its unit tells its response. A stream that cannot be created is answered past `execute`, and so
//! is a panic in it: that is told here.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use async_graphql::Response;
use futures_util::{
    StreamExt,
    stream::{BoxStream, poll_fn},
};

use crate::operation::{
    failures::{self, Failures},
    mask::{MapError, mask},
    respond,
};

/// A request that was sent for a stream of responses. Until its document is known to be a subscription's, it is none.
#[derive(Default)]
pub(crate) struct Streaming {
    stage: AtomicU8,
    /// What fails outside of the events.
    failures: Failures,
}

/// The stream is being created, or waits for an event.
const BETWEEN: u8 = 1;
/// The next response is an event's, whose unit has told it.
const EVENT: u8 = 2;

impl Streaming {
    /// The request is a valid subscription.
    pub(crate) fn begins(&self) {
        self.stage.store(BETWEEN, Ordering::Relaxed);
    }

    /// An event was executed.
    pub(crate) fn event(&self) {
        self.stage.store(EVENT, Ordering::Relaxed);
    }

    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Watches over the responses. A panic ends the subscription, and nothing else of its socket.
    pub(crate) fn watch(
        self: Arc<Self>,
        mut responses: BoxStream<'_, Response>,
        map_error: Option<MapError>,
    ) -> BoxStream<'_, Response> {
        let streaming = Arc::clone(&self);
        let responses = poll_fn(move |context| {
            failures::in_stream(&streaming, || responses.poll_next_unpin(context))
        });
        AssertUnwindSafe(responses)
            .catch_unwind()
            .map(move |response| match response {
                Ok(response) => self.tell(response, map_error.as_ref()),
                Err(panic) => respond::panicked(&panic),
            })
            .boxed()
    }

    /// Masks a response that is no event's: the stream could not be created.
    fn tell(&self, mut response: Response, map_error: Option<&MapError>) -> Response {
        match self.stage.load(Ordering::Relaxed) {
            EVENT => self.begins(),
            BETWEEN => mask(&mut response.errors, None, Some(&self.failures), map_error),
            _ => return response,
        }
        self.failures.log(&tracing::Span::current());
        self.failures.clear();
        response
    }
}
