use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use tower::ServiceExt;

use super::*;

async fn fetch(path: &str, known: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).header(IF_NONE_MATCH, known);
    let response = router::<()>()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    (head.status, head.headers, String::from_utf8(body).unwrap())
}

fn path(name: &str) -> String {
    match name {
        "index.html" => "/ledger".to_owned(),
        _ => format!("/ledger/{name}"),
    }
}

#[tokio::test]
async fn every_file_has_a_known_type_and_the_policy_and_a_tag() {
    assert!(Files::iter().count() > 5);
    for name in Files::iter() {
        let (status, headers, body) = fetch(&path(&name), "").await;
        assert_eq!(status, StatusCode::OK, "{name}");
        assert_ne!(headers[CONTENT_TYPE], "application/octet-stream", "{name}");
        assert!(!body.is_empty(), "{name}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = headers[ETAG].to_str().unwrap();
        let (status, _, body) = fetch(&path(&name), tag).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED, "{name}");
        assert!(body.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn files_load_only_files_that_there_are() {
    let mut loaded = 0;
    for name in Files::iter() {
        let (_, _, text) = fetch(&path(&name), "").await;
        assert!(!text.contains("innerHTML"), "{name}");
        assert!(!text.contains("style="), "{name}");
        for part in text.split('"') {
            let other = match part.strip_prefix("./").or(part.strip_prefix("/ledger/")) {
                Some(other) => other,
                None if part.contains("://") => {
                    // The name space of drawings is a name, and nothing is loaded from it.
                    assert_eq!(part, "http://www.w3.org/2000/svg", "{name}");
                    continue;
                }
                None => continue,
            };
            assert!(Files::get(other).is_some(), "{name} loads {other}");
            loaded += 1;
        }
    }
    assert!(loaded > 10, "{loaded}");
}

#[tokio::test]
async fn what_is_not_embedded_is_not_found() {
    for path in [
        "/ledger/",
        "/ledger/index.html",
        "/ledger/nothing.js",
        "/ledger/../Cargo.toml",
    ] {
        assert_eq!(fetch(path, "").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
