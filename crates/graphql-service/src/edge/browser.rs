//! What is there for browsers: consent to pages of other origins, and compressed answers.

use std::{convert::Infallible, future::ready, mem, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    response::Response,
};
use tower::{ServiceExt, service_fn};
use tower_http::{
    CompressionLevel,
    compression::{
        Compression, DefaultPredicate, Predicate,
        predicate::{NotForContentType, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
};

use crate::connection::Packed;

/// How long a browser may remember the consent.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Consents to pages of these origins, and to no others. Without cookies: a page says in headers who it is.
pub(crate) fn cors(origins: Vec<HeaderValue>) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let request = [
        "apollo-require-preflight",
        "authorization",
        "content-type",
        "graphql-require-preflight",
        "idempotency-key",
        "traceparent",
        "x-apollo-operation-name",
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

/// The most bytes of `Accept-Encoding`. Browsers send less than 50.
const LONGEST_ACCEPTED: usize = 512;

/// What fits into one packet arrives no sooner for being smaller.
const COMPRESSED_FROM: u16 = 1024;

/// gzip and br for those who take them, never streams: each of their parts is on its way at once. No zstd: clients on Node.js 20 say that they take it, and
/// cannot read it.
pub(crate) async fn compress<A: Future<Output = Response>>(
    request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    let accepted = accepted(request.headers());
    let response = answer(request).await;
    match accepted {
        // Rare, and not to be made room for in the future of all.
        Some(accepted) if is_worth_it(&response) => Box::pin(compressed(response, accepted)).await,
        _ => response,
    }
}

fn is_worth_it(response: &Response) -> bool {
    let is_large = SizeAbove::new(COMPRESSED_FROM);
    let is_whole = NotForContentType::const_new("multipart/mixed");
    is_large.should_compress(response) && is_whole.should_compress(response)
}

/// What the client takes: a request that asks for nothing else.
fn accepted(headers: &HeaderMap) -> Option<Request> {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return None;
    }
    // Each of its values is read. Who sends so many gets what everybody can read.
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    if values.map(HeaderValue::len).sum::<usize>() > LONGEST_ACCEPTED {
        return None;
    }
    let mut accepted = Request::default();
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        accepted
            .headers_mut()
            .append(header::ACCEPT_ENCODING, value.clone());
    }
    Some(accepted)
}

async fn compressed(mut response: Response, accepted: Request) -> Response {
    let size = response.body().size_hint().exact();
    let packed = Packed(usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX));
    let answered = service_fn(move |_| ready(Ok::<_, Infallible>(mem::take(&mut response))));
    let compression = Compression::new(answered)
        .quality(CompressionLevel::Fastest)
        .compress_when(DefaultPredicate::new());
    let Ok(response) = compression.oneshot(accepted).await;
    let mut response = response.map(Body::new);
    response.extensions_mut().insert(packed);
    response
}
