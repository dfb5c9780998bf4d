//! Switches in the `extensions` of a request.

use reqwest::Method;
use serde_json::json;

use super::{ADD, post};
use crate::http::{Answer, GRAPHQL_RESPONSE, JSON, Server, sockets::Socket};

#[tokio::test]
async fn an_extension_that_is_not_understood_is_refused() {
    let server = Server::start().await;
    for extensions in [
        json!({ "dryRun": "true" }),
        json!({ "dryRun": 1 }),
        json!({ "dryRun": null }),
        json!({ "dryRun": {} }),
        json!({ "dryrun": true }),
        json!({ "dry-run": true }),
        json!({ "dry_run": false }),
        json!({ "dryRunn": true }),
        json!({ "dryRuns": true }),
        json!({ "dyrRun": true }),
        json!({ "idempotentKey": "a" }),
        json!({ "timeouts": "1s" }),
        json!({ "unitsOfWork": "report" }),
        json!({ "persistedQuerry": { "version": 1, "sha256Hash": "a" } }),
        json!({ "batches": "all-or-nothing" }),
        json!({ "X-Dry-Run": "true" }),
        json!({ "idempotency_key": "a" }),
        json!({ "IdempotencyKey": "a" }),
        json!({ "timeout": 5 }),
        json!({ "timeout": "" }),
        json!({ "Timeout": "5s" }),
        json!({ "unitOfWork": "other" }),
        json!({ "unitOfWork": true }),
        json!({ "unit_of_work": "report" }),
        json!({ "persistedquery": { "version": 1, "sha256Hash": "a" } }),
        json!({ "batch": "all-or-nothing" }),
        json!({ "dryRun": true, "DryRun": true }),
    ] {
        let body = json!({ "query": ADD, "extensions": extensions });
        for accept in [JSON, GRAPHQL_RESPONSE, "text/event-stream"] {
            post(&server, accept, &body, &[])
                .await
                .assert_refused(400, "BAD_REQUEST");
        }
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", &body).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error", "{extensions}: {message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "BAD_REQUEST");
    }
    assert_eq!(server.toy.sum(), 0);
}

/// The extensions of a GET are in its query string.
#[tokio::test]
async fn a_get_has_the_switches_too() {
    let server = Server::start().await;
    let ask = async |extensions: &str| {
        let url = format!("/graphql?query={{isDryRun}}&extensions={extensions}");
        Answer::of(server.client.request(Method::GET, server.url(&url))).await
    };
    assert_eq!(
        ask(r#"{"dryRun":true}"#).await.json()["data"]["isDryRun"],
        true
    );
    ask(r#"{"dryRun":"true"}"#)
        .await
        .assert_refused(400, "BAD_REQUEST");
    ask(r#"{"dryrun":true}"#)
        .await
        .assert_refused(400, "BAD_REQUEST");
}
