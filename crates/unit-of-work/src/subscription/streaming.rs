//! Watches a subscription outside of its events: the creation of its stream, and the wait for the next event.
//!
//! The response to an event comes from its unit. But the error of a stream that cannot be created, and that of a panic in it, do not pass
//! `execute`: they are masked here.

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

/// The state of a request that was sent for a stream of responses. It is a subscription once its document is known to be one.
#[derive(Default)]
pub(crate) struct Streaming {
    stage: AtomicU8,
    /// The failures outside of events.
    failures: Failures,
}

/// The stream is being created, or waits for an event.
const BETWEEN: u8 = 1;
/// The next response belongs to an event, and has been masked by its unit.
const EVENT: u8 = 2;

impl Streaming {
    /// Notes that the request is a valid subscription.
    pub(crate) fn begins(&self) {
        self.stage.store(BETWEEN, Ordering::Relaxed);
    }

    /// Notes that an event was executed.
    pub(crate) fn event(&self) {
        self.stage.store(EVENT, Ordering::Relaxed);
    }

    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Watches the stream of responses. A panic ends the subscription, and no other of its socket.
    pub(crate) fn watch(
        self: Arc<Self>,
        mut responses: BoxStream<'_, Response>,
        map_error: MapError,
    ) -> BoxStream<'_, Response> {
        let streaming = Arc::clone(&self);
        let responses = poll_fn(move |context| {
            failures::in_stream(&streaming, || responses.poll_next_unpin(context))
        });
        AssertUnwindSafe(responses)
            .catch_unwind()
            .map(move |response| match response {
                Ok(response) => self.tell(response, &map_error),
                Err(panic) => respond::panicked(&panic),
            })
            .boxed()
    }

    /// Masks a response that does not belong to an event: the stream could not be created.
    fn tell(&self, mut response: Response, map_error: &MapError) -> Response {
        match self.stage.load(Ordering::Relaxed) {
            EVENT => self.begins(),
            BETWEEN => mask(
                &mut response.errors,
                None,
                Some(&self.failures),
                Some(map_error),
            ),
            _ => return response,
        }
        self.failures.log(&tracing::Span::current());
        self.failures.clear();
        response
    }
}
