use axum::body::to_bytes;
use axum::http::{HeaderName, Method, Request};
use tower::ServiceExt;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

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
