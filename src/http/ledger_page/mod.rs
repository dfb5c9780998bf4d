//! The page for people: accounts with their balances, statements, entries and the trial balance, at `/ledger`.
//!
//! It reads what any client may read, through the public API, and writes nothing. `files/` are its sources, embedded as they are: nothing is
//! built, and nothing is loaded from elsewhere. `page.js` is where to begin. Where the server authenticates, the page asks for a token.
//!
//! The only error is 404.

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use super::embedded::{Answer, REVALIDATE, media_type};

/// Stricter than the playground's: no inline styles, and no workers.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "src/http/ledger_page/files/"]
struct Files;

/// The page at `/ledger`, and what it loads: `/ledger/page.js` and the like.
///
/// The page uses `/graphql` of the same origin, so the router belongs at the root of the server.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(
            "/ledger",
            get(|headers: HeaderMap| async move { serve("index.html", &headers) }),
        )
        .route(
            "/ledger/{name}",
            get(|Path(name): Path<String>, headers: HeaderMap| async move {
                if name == "index.html" {
                    return StatusCode::NOT_FOUND.into_response();
                }
                serve(&name, &headers)
            }),
        )
}

fn serve(name: &str, request: &HeaderMap) -> Response {
    let Some(file) = Files::get(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let answer = Answer {
        hash: file.metadata.sha256_hash(),
        caching: REVALIDATE,
        policy: POLICY,
    };
    answer.to(request, || {
        ([(CONTENT_TYPE, media_type(name))], file.data).into_response()
    })
}
