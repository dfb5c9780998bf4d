//! Subscriptions as the parts of one HTTP response: `multipart/mixed;subscriptionSpec="1.0"`, which Apollo's clients support without
//! another library.
//!
//! Each part is `{"payload": …}` with one response; `{}` is a heartbeat. A subscription that ends by itself ends the body. One that the
//! server ends early has a last part `{"payload": null, "errors": […]}`, by which a client knows that there is more to come.
//!
//! A client recognises the end of a part by the boundary after it. So each part is sent together with the next boundary, and the first
//! boundary is sent at once.

use std::{convert::Infallible, time::Duration};

use async_graphql::{ErrorExtensionValues, ServerError};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::time::timeout;

use crate::{
    answer::{media::Boundary, wire::WireErrors},
    graphql::stream::{
        event_text::{EventText, Next},
        events::{X_ACCEL_BUFFERING, texts},
    },
    lifecycle::Lifecycle,
};

/// How often a response without events sends a heartbeat. Apollo's own servers send one every five seconds.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The responses of a subscription, until the client goes away, the caller expires or the server stops.
pub(crate) fn stream(
    responses: BoxStream<'static, Next>,
    lifecycle: &Lifecycle,
    expired: impl Future<Output = ()> + Send + 'static,
    boundary: Boundary,
) -> Response {
    let content_type = format!("multipart/mixed;boundary=\"{boundary}\";subscriptionSpec=\"1.0\"");
    let first = Bytes::from(format!("\r\n--{boundary}"));
    let draining = lifecycle.draining.clone();
    let parts = Parts {
        texts: texts(responses).boxed(),
        end: async move {
            tokio::select! {
                () = draining.cancelled() => Interrupted::Stopping,
                () = expired => Interrupted::Expired,
            }
        }
        .boxed(),
        boundary,
        is_over: false,
    };
    let parts = stream::unfold(parts, |mut parts| async move {
        let part = parts.next().await?;
        Some((part, parts))
    });
    let body = stream::once(async { first }).chain(parts);
    let mut response = Response::new(Body::from_stream(body.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(&content_type);
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or(HeaderValue::from_static("multipart/mixed")),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

/// Why the server ends a subscription early.
enum Interrupted {
    Stopping,
    Expired,
}

struct Parts {
    texts: BoxStream<'static, EventText>,
    end: BoxFuture<'static, Interrupted>,
    boundary: Boundary,
    is_over: bool,
}

impl Parts {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        tokio::select! {
            biased;
            interrupted = &mut self.end => {
                self.is_over = true;
                Some(self.part(&interrupted.to_json(), "--\r\n"))
            }
            text = timeout(HEARTBEAT, self.texts.next()) => Some(match text {
                Ok(Some(text)) => self.part(&format!("{{\"payload\":{}}}", text.json()), ""),
                Ok(None) => {
                    self.is_over = true;
                    Bytes::from_static(b"--\r\n")
                }
                Err(_) => self.part("{}", ""),
            }),
        }
    }

    /// A part, the boundary after it, and `after`. The boundary before it has been sent.
    fn part(&self, json: &str, after: &str) -> Bytes {
        let boundary = &self.boundary;
        // This JSON has no line breaks (they are escaped in strings), so it contains no boundary.
        format!("\r\ncontent-type: application/json\r\n\r\n{json}\r\n--{boundary}{after}").into()
    }
}

impl Interrupted {
    fn to_json(&self) -> String {
        let (message, code) = match self {
            Self::Stopping => (
                "the server stops: subscribe again",
                "SUBSCRIPTION_INTERRUPTED",
            ),
            Self::Expired => (
                "it is no longer known who subscribed: subscribe again",
                "UNAUTHENTICATED",
            ),
        };
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code);
        let mut error = ServerError::new(message, None);
        error.extensions = Some(extensions);
        let errors = serde_json::to_string(&WireErrors(&[error])).unwrap_or_default();
        format!("{{\"payload\":null,\"errors\":{errors}}}")
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_subscription_without_events_shows_that_it_lives() {
        let began = Instant::now();
        let boundary = Boundary::default();
        let responses = stream::pending().boxed();
        let mut body = super::stream(
            responses,
            &Lifecycle::default(),
            std::future::pending(),
            boundary,
        )
        .into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "\r\n--graphql");
        for n in 1..=2 {
            let frame = timeout(2 * HEARTBEAT, body.frame()).await;
            let frame = frame.expect("it is silent").unwrap().unwrap();
            assert_eq!(
                frame.into_data().unwrap(),
                "\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql"
            );
            assert_eq!(began.elapsed(), n * HEARTBEAT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_is_no_longer_known_is_told_so() {
        let expired = tokio::time::sleep(HEARTBEAT / 2);
        let responses = stream::pending().boxed();
        let lifecycle = Lifecycle::default();
        let response = super::stream(responses, &lifecycle, expired, Boundary::default());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(r#"{"payload":null,"errors":[{"#), "{body}");
        assert!(body.contains("UNAUTHENTICATED"), "{body}");
        assert!(body.ends_with("\r\n--graphql--\r\n"), "{body}");
    }
}
