//! The span, the id and the log line of each request.

use std::time::Instant;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    response::Response,
};
use tracing::{Instrument, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use crate::observe::trace_context::{self, TRACE_PARENT};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request within a span that has the request's id; the response carries the id too. `answer` is told whether the span is sent
/// to a collector.
pub(crate) async fn trace<A: Future<Output = Response>>(
    request: Request,
    answer: impl FnOnce(Request, bool) -> A,
) -> Response {
    let started = Instant::now();
    let id = match request.headers().get(&REQUEST_ID) {
        Some(id) if is_sane(id) => id.clone(),
        _ => new_id(),
    };
    // The path without the query string, which may contain variables.
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = request.method().as_str(),
        path = request.uri().path(),
        trace_id = Empty,
    );
    let part = trace_context::join(&span, request.headers());
    if let Some(part) = &part {
        span.record("trace_id", &part.trace);
    }
    let is_recorded = part.as_ref().is_some_and(|part| part.is_recorded);
    let mut response = answer(request, is_recorded).instrument(span.clone()).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(part) = part {
        response.headers_mut().insert(TRACE_PARENT, part.header);
    }
    let status = response.status().as_u16();
    if is_recorded {
        span.set_attribute("http.response.status_code", i64::from(status));
    }
    let _entered = span.enter();
    tracing::debug!(
        status,
        elapsed_ms = started.elapsed().as_secs_f64() * 1e3,
        "answered"
    );
    response
}

/// Whether a client's id may be used: it is short, and cannot break a log line apart.
fn is_sane(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
}

fn new_id() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
