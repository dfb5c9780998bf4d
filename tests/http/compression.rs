//! Compression, for clients that ask for it.

use serde_json::json;
use tokio::time::timeout;

use super::{GRAPHQL_RESPONSE, PATIENCE, Server};

#[tokio::test]
async fn long_answers_are_compressed_and_streams_are_not() {
    let server = Server::start().await;
    let long = json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(10_000) } });
    for (accept, encoding) in [
        ("gzip", Some("gzip")),
        ("br, gzip", Some("br")),
        ("zstd", None),
        ("gzip, zstd", Some("gzip")),
    ] {
        let answer = server
            .post(GRAPHQL_RESPONSE, &long)
            .header("accept-encoding", accept)
            .send()
            .await
            .unwrap();
        let header = answer
            .headers()
            .get("content-encoding")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.as_deref(), encoding, "{accept}");
        assert_eq!(
            answer.bytes().await.unwrap().len() < 1000,
            encoding.is_some()
        );
    }
    let short = json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(900) } });
    let short = server
        .post(GRAPHQL_RESPONSE, &short)
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(short.headers().get("content-encoding"), None);
    let events = server
        .post("text/event-stream", &long)
        .header("accept-encoding", "gzip")
        .send();
    let events = timeout(PATIENCE, events).await.unwrap().unwrap();
    assert_eq!(events.headers().get("content-encoding"), None);
}
