//! What is there for browsers: consent to pages of other origins, and compressed answers.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::{
    CompressionLevel,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};

/// How long a browser may remember the consent.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Consents to pages of these origins, and to no others. Without cookies: what a page may do, it shows a token for.
pub(super) fn cors(origins: Vec<HeaderValue>) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let request = [
        "authorization",
        "content-type",
        "idempotency-key",
        "traceparent",
        "x-batch",
        "x-dry-run",
        "x-request-id",
        "x-timeout",
        "x-unit-of-work",
    ];
    let response = ["idempotency-replayed", "retry-after", "x-request-id"];
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(request.map(HeaderName::from_static))
            .expose_headers(response.map(HeaderName::from_static))
            .max_age(MAX_AGE)
            .vary([header::ORIGIN]),
    )
}

/// gzip and br, never streams of events. No zstd: clients on Node.js 20 say that they take it, and cannot read it.
pub(super) fn compression() -> CompressionLayer {
    CompressionLayer::new().quality(CompressionLevel::Fastest)
}
