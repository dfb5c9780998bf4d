//! GraphQL over server-sent events: the "distinct connections mode" of graphql-sse (`PROTOCOL.md`).
//!
//! One request is one stream: a `next` event for each response, then `complete`. It passes proxies that do not know WebSockets. A client
//! that accepts events only gets the answers to queries and mutations as events too; a client that also accepts JSON gets events for
//! subscriptions only.
//!
//! When the server stops, a subscription's stream ends without `complete`. By this a client knows that there is more to come, and
//! subscribes again elsewhere.

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use async_graphql::Response as GraphqlResponse;
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::timeout;

use crate::{
    answer::panic,
    graphql::stream::event_text::{EventText, Next},
    lifecycle::Lifecycle,
};

/// How often a stream without events sends a comment. It keeps proxies from closing the connection, and finds out that a client has gone.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// Clients skip a line that begins with a colon.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// It has data, though empty, because a browser's `EventSource` skips events without data.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata: \ndata: \n\n");

/// Tells nginx, and other proxies that know this header, not to buffer events.
pub(crate) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The response to a query or a mutation, as events.
pub(crate) async fn single(response: GraphqlResponse) -> Response {
    let response = EventText::write(response).await.into_event();
    write(stream::iter([response, COMPLETE]))
}

/// The responses of a subscription, until the client goes away, the caller expires or the server stops.
pub(crate) fn stream(
    responses: BoxStream<'static, Next>,
    lifecycle: &Lifecycle,
    expired: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let events = texts(responses).map(EventText::into_event);
    let events = events.chain(stream::once(async { COMPLETE }));
    let draining = lifecycle.draining.clone();
    let end = async move {
        tokio::select! {
            () = draining.cancelled() => {}
            () = expired => {}
        }
    };
    write(events.take_until(end.boxed()))
}

/// The text of each response of a subscription. The stream ends after a panic, and after the error of a subscription that never began.
pub(crate) fn texts(
    responses: BoxStream<'static, Next>,
) -> impl Stream<Item = EventText> + Send + 'static {
    let mut responses = AssertUnwindSafe(responses).catch_unwind();
    // The stream is polled after its request was answered. Its log lines belong to the span of that request.
    let span = tracing::Span::current();
    let mut is_over = false;
    stream::poll_fn(move |context| {
        if is_over {
            return std::task::Poll::Ready(None);
        }
        let _entered = span.enter();
        responses.poll_next_unpin(context).map(|response| {
            let text = match response? {
                Ok(Next::Event(text)) => text,
                Ok(Next::Refused(response)) => {
                    is_over = true;
                    EventText::of(&response)
                }
                Err(panic) => EventText::of(&panic::response(panic.as_ref())),
            };
            Some(text)
        })
    })
}

fn write(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let events = stream::unfold(Box::pin(events), |mut events| async {
        let event = match timeout(KEEP_ALIVE, events.next()).await {
            Ok(event) => event?,
            Err(_) => COMMENT,
        };
        Some((Ok::<_, Infallible>(event), events))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_events_shows_that_it_lives() {
        let began = Instant::now();
        let mut body = super::stream(
            stream::pending().boxed(),
            &Lifecycle::default(),
            std::future::pending(),
        )
        .into_body();
        for n in 1..=2 {
            let frame = timeout(2 * KEEP_ALIVE, body.frame()).await;
            let frame = frame.expect("it is silent").unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), ":\n\n");
            assert_eq!(began.elapsed(), n * KEEP_ALIVE);
        }
    }
}
