//! A span, an id and a log line for each request.

use std::time::Instant;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps the request in a span with its id, which the response carries too.
pub(super) async fn trace(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = match request.headers().get(&REQUEST_ID) {
        Some(id) if is_sane(id) => id.clone(),
        _ => new_id(),
    };
    let trace = request.headers().get(&TRACE_PARENT).and_then(trace_of);
    // The path without its query, which may hold variables.
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
        trace_id = trace.as_deref(),
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(trace) = trace
        && let Ok(value) = HeaderValue::from_str(&child_of(&trace))
    {
        response.headers_mut().insert(TRACE_PARENT, value);
    }
    let _entered = span.enter();
    tracing::debug!(
        status = response.status().as_u16(),
        elapsed_ms = started.elapsed().as_secs_f64() * 1e3,
        "answered"
    );
    response
}

/// The trace that a request is part of (W3C Trace Context, "traceparent": version, trace, parent, flags).
fn trace_of(header: &HeaderValue) -> Option<String> {
    let parts: Vec<_> = header.to_str().ok()?.split('-').collect();
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    // A later version may have more parts at its end.
    let [version, trace, parent, flags, ..] = parts[..] else {
        return None;
    };
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.len() == 4)
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(parent, 16)
        && !is_zero(parent)
        && is_hex(flags, 2);
    is_valid.then(|| trace.to_owned())
}

/// This server's own part in a trace. It records nothing anywhere but in its log, so nothing is sampled.
fn child_of(trace: &str) -> String {
    let (_, span) = Uuid::new_v4().as_u64_pair();
    format!("00-{trace}-{span:016x}-00")
}

/// An id that may be taken over: short, and nothing that could break a log line apart.
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
