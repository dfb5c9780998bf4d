//! What is there for browsers: consent to pages of other origins, and compressed answers.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tower::ServiceExt;
use tower_http::{
    CompressionLevel,
    compression::{Compression, DefaultPredicate, Predicate, predicate::SizeAbove},
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

/// What fits into one packet arrives no sooner for being smaller.
const COMPRESSED_FROM: u16 = 1024;

/// gzip and br for those who take them, never streams of events. No zstd: clients on Node.js 20 say that they take it, and
/// cannot read it.
pub(super) async fn compress(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return next.run(request).await;
    }
    let predicate = DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM));
    let compression = Compression::new(next)
        .quality(CompressionLevel::Fastest)
        .compress_when(predicate);
    let Ok(response) = compression.oneshot(request).await;
    response.map(Body::new)
}
