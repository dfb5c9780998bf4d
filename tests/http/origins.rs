//! Pages of other origins: what a browser is told, over HTTP and of sockets.

use std::sync::Arc;

use daybook::http::Options;
use reqwest::Method;
use serde_json::json;

use super::{
    Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, Server,
    sockets::{PROTOCOL, Socket},
};

#[tokio::test]
async fn only_pages_of_allowed_origins_are_consented_to() {
    let allow =
        |options: &mut Options| options.origins = vec!["https://app.example".parse().unwrap()];
    let server = Server::start_with(allow, DEFAULT_STOP).await;
    let preflight = |origin: &'static str| {
        let request = server
            .client
            .request(Method::OPTIONS, server.url("/graphql"));
        Answer::of(
            request
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header(
                    "access-control-request-headers",
                    "content-type, authorization, idempotency-key",
                ),
        )
    };
    let answer = preflight("https://app.example").await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("access-control-allow-origin")
        ),
        (200, Some("https://app.example"))
    );
    for header in ["idempotency-key", "x-consistency"] {
        let allowed = answer.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains(header), "{header}: {allowed}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "null",
    ] {
        assert_eq!(
            preflight(origin)
                .await
                .header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
    let post = server.post(GRAPHQL_RESPONSE, &json!({ "query": "{ sum }" }));
    let answer = Answer::of(post.header("origin", "https://app.example")).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(answer.header("vary"), Some("origin"));

    assert!(
        Socket::try_connect(&server, &[PROTOCOL, ("origin", "https://app.example")])
            .await
            .is_ok()
    );
    assert!(
        Socket::try_connect(&server, &[PROTOCOL, ("origin", "https://evil.example")])
            .await
            .is_err()
    );
}

/// Without consent a browser tells the page nothing but that the request failed.
#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_that_a_request_panicked() {
    // Where no executor is around to catch it.
    let panics = |options: &mut Options| {
        options.origins = vec!["https://app.example".parse().unwrap()];
        options.readiness = Arc::new(|| panic!("a secret cause"));
    };
    let server = Server::start_with(panics, DEFAULT_STOP).await;
    let ask = server.client.get(server.url("/readyz"));
    let answer = Answer::of(ask.header("origin", "https://app.example")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "INTERNAL");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert!(answer.header("x-request-id").is_some());
}
