//! What browsers need: consent to pages of other origins (CORS), and compressed answers.

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

use crate::connection::UncompressedBytes;

/// How long a browser may remember the consent.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Consents to pages of these origins only. Cookies are not allowed: a page authenticates by headers.
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
        "x-consistency",
        "x-dry-run",
        "x-max-staleness",
        "x-request-id",
        "x-timeout",
        "x-unit-of-work",
    ];
    let response = [
        "idempotency-replayed",
        "retry-after",
        "x-consistency",
        "x-request-id",
    ];
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

/// The most bytes of `Accept-Encoding` that are parsed. Browsers send less than 50.
const MAX_ACCEPT_ENCODING_BYTES: usize = 512;

/// A response that fits into one packet would not arrive sooner if it were smaller.
const MIN_COMPRESSED_BYTES: u16 = 1024;

/// Compresses responses with gzip or br for clients that accept them.
///
/// Streams are not compressed, since each of their parts has to be sent at once. zstd is not offered: clients on Node.js 20 say that they
/// accept it, and cannot read it.
pub(crate) async fn compress<A: Future<Output = Response>>(
    request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    let accepted = accepted(request.headers());
    let response = answer(request).await;
    match accepted {
        // Boxed, because it is rare and would make the future of every request larger.
        Some(accepted) if is_worth_it(&response) => Box::pin(compressed(response, accepted)).await,
        _ => response,
    }
}

fn is_worth_it(response: &Response) -> bool {
    let is_large = SizeAbove::new(MIN_COMPRESSED_BYTES);
    let is_whole = NotForContentType::const_new("multipart/mixed");
    is_large.should_compress(response) && is_whole.should_compress(response)
}

/// The encodings that the client accepts, as a request with this header only: the compression layer reads it from one.
fn accepted(headers: &HeaderMap) -> Option<Request> {
    if !headers.contains_key(header::ACCEPT_ENCODING) {
        return None;
    }
    // Every value is parsed. A client that sends too many gets the response uncompressed.
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    if values.map(HeaderValue::len).sum::<usize>() > MAX_ACCEPT_ENCODING_BYTES {
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
    let uncompressed = UncompressedBytes(usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX));
    let answered = service_fn(move |_| ready(Ok::<_, Infallible>(mem::take(&mut response))));
    let compression = Compression::new(answered)
        .quality(CompressionLevel::Fastest)
        .compress_when(DefaultPredicate::new());
    let Ok(response) = compression.oneshot(accepted).await;
    let mut response = response.map(Body::new);
    response.extensions_mut().insert(uncompressed);
    response
}
