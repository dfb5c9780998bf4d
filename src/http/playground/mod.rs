//! The playground: a GraphiQL that is embedded in the binary, and loads nothing from elsewhere.
//!
//! `playground/` holds its sources, its example operations and `dist/`, which `.ci/playground` builds from npm packages. Only `dist/` is
//! embedded: files compressed with brotli. A client that accepts `br` gets them as they are; another gets them decompressed. Files under
//! `assets/` have a hash in their names and are cached for ever; the others are revalidated each time.
//!
//! Every response carries the `POLICY`, also scripts, since a worker obeys the policy of its own file and not the page's. It allows no
//! inline script and no `eval`. It allows inline styles, because the editor (monaco) positions its text with them.
//!
//! The only error is 404. A test sees to it that every embedded file can be decompressed.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{Mutex, PoisonError},
};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// `'self'` in `connect-src` covers the WebSocket of the same host and port as well.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

#[derive(RustEmbed)]
#[folder = "src/http/playground/dist/"]
struct Dist;

/// The page at `/`, and what it loads: `/assets/…`, `/favicon.svg`, `/THIRD_PARTY_LICENSES.txt`.
///
/// The page uses `/graphql` of the same origin, so the router belongs at the root of the server.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(
            "/",
            get(|headers: HeaderMap| async move { serve("index.html", REVALIDATE, &headers) }),
        )
        .route(
            "/favicon.svg",
            get(|headers: HeaderMap| async move { serve("favicon.svg", REVALIDATE, &headers) }),
        )
        .route(
            "/THIRD_PARTY_LICENSES.txt",
            get(|headers: HeaderMap| async move {
                serve("THIRD_PARTY_LICENSES.txt", REVALIDATE, &headers)
            }),
        )
        .route(
            "/assets/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move {
                serve(&format!("assets/{path}"), IMMUTABLE, &headers)
            }),
        )
}

fn serve(name: &str, caching: &'static str, request: &HeaderMap) -> Response {
    let Some(file) = Dist::get(&format!("{name}.br")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = entity_tag(&file);
    let mut response = if matches(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        content(name, file, request)
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn content(name: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let media_type = [(CONTENT_TYPE, media_type(name))];
    if accepts_brotli(request) {
        return (
            media_type,
            [(CONTENT_ENCODING, "br")],
            Body::from(file.data),
        )
            .into_response();
    }
    match plain(name, &file.data) {
        Ok(plain) => (media_type, Body::from(plain)).into_response(),
        Err(error) => {
            tracing::error!(name, %error, "an embedded file is not brotli");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Decompressed files, by name. Each is decompressed once, and all answers share it. Together they have a few megabytes.
static PLAIN: Mutex<BTreeMap<String, Bytes>> = Mutex::new(BTreeMap::new());

fn plain(name: &str, packed: &[u8]) -> io::Result<Bytes> {
    // Nothing can panic while the lock is held. It is held while a file is decompressed, so that this happens once.
    let mut known = PLAIN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(plain) = known.get(name) {
        return Ok(plain.clone());
    }
    let mut plain = Vec::new();
    brotli_decompressor::Decompressor::new(packed, 4096).read_to_end(&mut plain)?;
    let plain = Bytes::from(plain);
    known.insert(name.to_owned(), plain.clone());
    Ok(plain)
}

/// The tag is weak, since the compressed and the plain form share it.
fn entity_tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    #[expect(
        clippy::expect_used,
        reason = "hexadecimal digits are valid in a header"
    )]
    HeaderValue::try_from(format!("W/\"{hex}\"")).expect("an ASCII header value")
}

fn matches(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let ours = tag.to_str().map(opaque).unwrap_or_default();
    listed(request.get_all(IF_NONE_MATCH).iter())
        .any(|theirs| theirs == "*" || opaque(theirs) == ours)
}

/// Whether the client accepts `br`: it names it, and not with the weight 0.
fn accepts_brotli(request: &HeaderMap) -> bool {
    listed(request.get_all(ACCEPT_ENCODING).iter()).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight
            .trim()
            .trim_start_matches(['q', 'Q'])
            .trim_start_matches('=');
        name.trim().eq_ignore_ascii_case("br")
            && weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)
    })
}

fn listed<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a str> {
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The media types of the files that a build produces. A test fails for a new kind.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        _ => "application/octet-stream",
    }
}
