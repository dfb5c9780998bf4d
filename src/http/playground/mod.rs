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
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::embedded::{Answer, IMMUTABLE, REVALIDATE, listed, media_type};

/// `'self'` in `connect-src` covers the WebSocket of the same host and port as well.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
    let answer = Answer {
        hash: file.metadata.sha256_hash(),
        caching,
        policy: POLICY,
    };
    answer.to(request, || content(name, file, request))
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
