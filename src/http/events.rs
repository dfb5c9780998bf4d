//! GraphQL over server-sent events: the "distinct connections mode" of graphql-sse (`PROTOCOL.md`).
//!
//! One request is one stream: a `next` event for each response, then `complete`. It goes wherever HTTP goes, also
//! through proxies that know no WebSockets. A client that asks for nothing but events gets queries and mutations as events
//! too; one that takes JSON as well gets events for subscriptions alone.
//!
//! When the server stops, a subscription's stream ends without `complete`, by which a client knows that there is more to
//! come, and takes it up elsewhere.

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use async_graphql::Response as GraphqlResponse;
use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::Instant;

use super::{
    auth::until, lifecycle::Lifecycle, panic, request_error::RequestError, response::to_json,
};

/// How often a stream without events shows that it lives, to proxies and to a client that has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// Tells nginx, and those that listen to the same header, to pass each event on as it comes.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The one response to a query or a mutation.
pub(super) fn single(response: &GraphqlResponse) -> Response {
    write(stream::iter([next(response), complete()]))
}

/// The responses of a subscription, until the client goes, its token expires or the server stops.
pub(super) fn stream(
    responses: BoxStream<'static, GraphqlResponse>,
    lifecycle: &Lifecycle,
    expires: Option<Instant>,
) -> Response {
    let mut responses = AssertUnwindSafe(responses).catch_unwind();
    // A stream is polled outside of the request that it answers; what it logs belongs to that.
    let span = tracing::Span::current();
    let mut is_over = false;
    let events = stream::poll_fn(move |context| {
        if is_over {
            return std::task::Poll::Ready(None);
        }
        let _entered = span.enter();
        responses.poll_next_unpin(context).map(|response| {
            let response = match response? {
                Ok(response) => response,
                Err(panic) => panic::response(panic.as_ref()),
            };
            // What never began has nothing more to say.
            is_over = RequestError::of(&response).is_some();
            Some(next(&response))
        })
    });
    let events = events.chain(stream::once(async { complete() }));
    let draining = lifecycle.draining.clone();
    let end = async move {
        tokio::select! {
            () = draining.cancelled() => {}
            () = until(expires) => {}
        }
    };
    write(events.take_until(end.boxed()))
}

fn write(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events.map(Ok::<_, Infallible>))
        .keep_alive(keep_alive)
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

fn next(response: &GraphqlResponse) -> Event {
    Event::default().event("next").data(to_json(response))
}

/// A browser's `EventSource` passes over an event without a `data` line, and axum writes none for a text that is empty.
fn complete() -> Event {
    Event::default().event("complete").data("\n")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_events_shows_that_it_lives() {
        let began = Instant::now();
        let mut body =
            super::stream(stream::pending().boxed(), &Lifecycle::default(), None).into_body();
        for n in 1..=2 {
            let frame = timeout(2 * KEEP_ALIVE, body.frame()).await;
            let frame = frame.expect("it is silent").unwrap().unwrap();
            // A line that begins with a colon is for nobody.
            assert_eq!(frame.into_data().unwrap(), ":\n\n");
            assert_eq!(began.elapsed(), n * KEEP_ALIVE);
        }
    }
}
