//! The playground: a GraphiQL that comes out of the binary, and needs nothing from elsewhere.
//!
//! `playground/` holds its sources, its example operations and `dist/`, which `.ci/playground` builds from npm
//! packages. `dist/` is all that is embedded: brotli-compressed files, sent as they are to a client that takes `br`,
//! and decompressed for one that does not. What is under `assets/` has a hash in its name and is cached for ever; the
//! rest is revalidated each time.
//!
//! Every response carries the `POLICY`: workers are held to that of their own file, not to the page's. It allows no
//! inline script and no `eval`. It allows inline styles, because the editor (monaco) positions its text with them.
//!
//! Nothing here can fail but by 404: an embedded file that cannot be decompressed fails a test.

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
/// It talks to `/graphql` of the same origin, so it belongs at the root of the server.
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

/// Files that were asked for without brotli, by name: each is unpacked once, and all answers share it. Some megabytes at most.
static PLAIN: Mutex<BTreeMap<String, Bytes>> = Mutex::new(BTreeMap::new());

fn plain(name: &str, packed: &[u8]) -> io::Result<Bytes> {
    // Nothing can panic while the lock is held. It is held while a file is unpacked, so that it is unpacked once.
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

/// Weak: the same tag stands for the compressed and the plain form.
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

/// Whether `br` is named, and not with the weight 0.
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

/// The kinds of file that a build produces; a test tells of a new one.
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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::{HeaderName, Method, Request};
    use tower::ServiceExt;

    use super::*;

    async fn ask(
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = router::<()>()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        (
            head.status,
            head.headers,
            to_bytes(body, usize::MAX).await.unwrap().to_vec(),
        )
    }

    async fn fetch(path: &str, headers: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        ask(Method::GET, path, headers).await
    }

    fn names() -> Vec<String> {
        Dist::iter()
            .map(|name| {
                name.strip_suffix(".br")
                    .expect("only brotli is embedded")
                    .to_owned()
            })
            .collect()
    }

    fn asset(prefix: &str, suffix: &str) -> String {
        let of_kind = |name: &String| name.starts_with(prefix) && name.ends_with(suffix);
        names()
            .into_iter()
            .find(of_kind)
            .map(|name| format!("/{name}"))
            .expect("a built asset")
    }

    #[tokio::test]
    async fn page_is_html_that_loads_only_what_is_embedded() {
        let (status, headers, body) = fetch("/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        let page = String::from_utf8(body).unwrap();
        assert!(page.contains("<title>Daybook</title>"), "{page}");
        assert!(
            !page.contains("<script>") && !page.contains("style="),
            "inline code in {page}"
        );
        let links: Vec<_> = page
            .split(['"', '\''])
            .filter(|part| part.contains('/') && part.contains('.'))
            .collect();
        let local: Vec<_> = links
            .into_iter()
            .filter(|link| !link.contains('<'))
            .collect();
        assert!(local.len() >= 4, "{local:?}");
        for link in local {
            assert_eq!(fetch(link, &[]).await.0, StatusCode::OK, "{link}");
        }
    }

    #[tokio::test]
    async fn every_response_is_held_to_the_policy() {
        for path in [
            "/",
            "/THIRD_PARTY_LICENSES.txt",
            &asset("assets/graphql.worker", ".js"),
        ] {
            let (_, headers, _) = fetch(path, &[]).await;
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            let directives: Vec<_> = policy.split(';').map(str::trim).collect();
            assert!(directives.contains(&"default-src 'none'"), "{policy}");
            assert!(directives.contains(&"script-src 'self'"), "{policy}");
            assert!(directives.contains(&"worker-src 'self'"), "{policy}");
            assert!(directives.contains(&"frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe-eval"), "{policy}");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[X_FRAME_OPTIONS], "DENY");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer");
        }
    }

    #[tokio::test]
    async fn hashed_assets_are_cached_for_ever() {
        let (status, headers, _) = fetch(&asset("assets/", ".css"), &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/css; charset=utf-8");
        assert_eq!(
            headers[CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        for name in names().iter().filter(|name| name.starts_with("assets/")) {
            let stem = name.rsplit_once('.').unwrap().0;
            let (_, hash) = stem.split_at(stem.len() - 8);
            assert!(
                stem.contains('-')
                    && hash
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn brotli_is_sent_as_stored_and_only_to_who_takes_it() {
        let path = asset("assets/editor.worker", ".js");
        let stored = Dist::get(&format!("{}.br", &path[1..])).unwrap().data;
        for accepted in ["br", "gzip, deflate, br, zstd", "gzip;q=0.5, BR;q=0.8"] {
            let (_, headers, body) = fetch(&path, &[(ACCEPT_ENCODING, accepted)]).await;
            assert_eq!(headers[CONTENT_ENCODING], "br", "{accepted}");
            assert_eq!(headers[VARY], "accept-encoding");
            assert!(body == *stored, "{accepted}: not the stored bytes");
        }
        for refused in ["", "gzip, deflate", "br;q=0, gzip", "brotli", "br;q=0.000"] {
            let (_, headers, body) = fetch(&path, &[(ACCEPT_ENCODING, refused)]).await;
            assert!(!headers.contains_key(CONTENT_ENCODING), "{refused}");
            assert_eq!(headers[VARY], "accept-encoding");
            assert!(
                body.len() > 2 * stored.len() && std::str::from_utf8(&body).is_ok(),
                "{refused}: not decompressed"
            );
        }
    }

    #[tokio::test]
    async fn every_embedded_file_is_served_plain_with_a_known_type() {
        let names = names();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            let path = if name == "index.html" {
                String::from("/")
            } else {
                format!("/{name}")
            };
            let (status, headers, body) = fetch(&path, &[]).await;
            assert_eq!(status, StatusCode::OK, "{name}");
            assert_ne!(headers[CONTENT_TYPE], "application/octet-stream", "{name}");
            assert!(!body.is_empty(), "{name}");
        }
    }

    #[tokio::test]
    async fn page_is_not_sent_again_when_unchanged() {
        let (_, headers, _) = fetch("/", &[]).await;
        let tag = headers[ETAG].to_str().unwrap().to_owned();
        let strong = tag.trim_start_matches("W/");
        for known in [tag.as_str(), strong, "*", &format!("\"other\", {tag}")] {
            let (status, headers, body) =
                fetch("/", &[(IF_NONE_MATCH, known), (ACCEPT_ENCODING, "br")]).await;
            assert_eq!(status, StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(headers[ETAG], tag.as_str());
            assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
            assert!(body.is_empty());
        }
        assert_eq!(
            fetch("/", &[(IF_NONE_MATCH, "\"other\"")]).await.0,
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn head_has_the_headers_of_get_and_no_body() {
        for encoding in ["br", "identity"] {
            let encoding = [(ACCEPT_ENCODING, encoding)];
            let (status, headers, body) = ask(Method::HEAD, "/", &encoding).await;
            assert_eq!(status, StatusCode::OK);
            assert!(body.is_empty());
            let (_, of_get, content) = fetch("/", &encoding).await;
            assert_eq!(headers, of_get);
            assert_eq!(
                headers["content-length"],
                content.len().to_string().as_str()
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_embedded_is_not_found() {
        for path in [
            "/assets/nothing.js",
            "/assets/../index.html",
            "/assets/%2e%2e/index.html",
            "/assets/",
            "/index.html",
        ] {
            let (status, headers, _) = fetch(path, &[(ACCEPT_ENCODING, "br")]).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
            assert!(!headers.contains_key(CACHE_CONTROL), "{path}");
        }
        assert_eq!(
            ask(Method::POST, "/", &[]).await.0,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }

    #[tokio::test]
    async fn licences_of_what_is_bundled_are_served() {
        let (_, headers, body) = fetch("/THIRD_PARTY_LICENSES.txt", &[]).await;
        assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        let text = String::from_utf8(body).unwrap();
        for package in [
            "graphiql",
            "@graphiql/react",
            "graphql",
            "graphql-ws",
            "monaco-editor",
            "monaco-graphql",
            "react",
        ] {
            assert!(text.contains(&format!("\n{package} ")), "{package}");
        }
    }
}
