//! Switches in headers, on each transport.

use serde_json::json;

use super::{ADD, headers, post};
use crate::http::{Answer, GRAPHQL_RESPONSE, JSON, Server};

/// On each transport: one operation, a batch, a stream of events, a GET.
#[tokio::test]
async fn a_header_that_is_not_understood_is_refused() {
    let server = Server::start().await;
    let values: &[(&str, &[&[u8]])] = &[
        (
            "x-dry-run",
            &[
                b"1",
                b"0",
                b"yes",
                b"on",
                b"",
                b"true false",
                b"true,true",
                b"\"true\"",
                b"?1",
                b"tru\xc3\xa9",
                b"\xff",
            ],
        ),
        (
            "x-batch",
            &[
                b"atomic",
                b"",
                b"true",
                b"all or nothing",
                b"all_or_nothing",
                b"all-or-nothing,each",
                b"\xff",
            ],
        ),
        (
            "x-timeout",
            &[b"", b"5", b"soon", b"-1s", b"2days", b"1s, 2s", b"\xff"],
        ),
        (
            "x-max-staleness",
            &[b"", b"5", b"none", b"-1s", b"2days", b"1s, 2s", b"\xff"],
        ),
        (
            "x-unit-of-work",
            &[b"", b"other", b"true", b"report timeline", b"\xff"],
        ),
    ];
    let one = json!({ "query": ADD });
    let batch = json!([{ "query": ADD }, { "query": ADD }]);
    for (name, values) in values {
        for value in *values {
            let shown = String::from_utf8_lossy(value);
            for (accept, body) in [
                (JSON, &one),
                (GRAPHQL_RESPONSE, &batch),
                ("text/event-stream", &one),
            ] {
                let answer = post(&server, accept, body, &[(name, value)]).await;
                answer.assert_refused(400, "BAD_REQUEST");
                let message = answer.json()["errors"][0]["message"].to_string();
                assert!(
                    message.contains(&format!("`{name}`")),
                    "{shown:?}: {message}"
                );
            }
            let query = server.client.get(server.url("/graphql?query={sum}"));
            let answer = Answer::of(query.headers(headers(&[(name, value)]))).await;
            answer.assert_refused(400, "BAD_REQUEST");
        }
        for twice in [[b"true", b"true"], [b"true", b"none"]] {
            let answer = post(&server, JSON, &batch, &[(name, twice[0]), (name, twice[1])]).await;
            answer.assert_refused(400, "BAD_REQUEST");
            let message = &answer.json()["errors"][0]["message"];
            assert_eq!(message, &format!("`{name}` is there twice"));
        }
    }
    assert_eq!(server.toy.sum(), 0);
}

#[tokio::test]
async fn a_header_that_is_almost_right_is_refused() {
    let server = Server::start().await;
    for (name, right) in [
        ("x-dryrun", "x-dry-run"),
        ("dry-run", "x-dry-run"),
        ("dryrun", "x-dry-run"),
        ("x_dry_run", "x-dry-run"),
        ("x-batch-", "x-batch"),
        ("batch", "x-batch"),
        ("x-idempotency-key", "idempotency-key"),
        ("idempotencykey", "idempotency-key"),
        ("idempotency_key", "idempotency-key"),
        ("timeout", "x-timeout"),
        ("x-unitofwork", "x-unit-of-work"),
        ("x-dry-runn", "x-dry-run"),
        ("x-dry-runs", "x-dry-run"),
        ("x-dyr-run", "x-dry-run"),
        ("x-dr-run", "x-dry-run"),
        ("y-dry-run", "x-dry-run"),
        ("x-bacth", "x-batch"),
        ("x-batches", "x-batch"),
        ("idempotence-key", "idempotency-key"),
        ("idempotent-key", "idempotency-key"),
        ("idempotency-keys", "idempotency-key"),
        ("idempotncy-key", "idempotency-key"),
        ("x-timeouts", "x-timeout"),
        ("x-timeout-ms", "x-timeout"),
        ("x-time-oout", "x-timeout"),
        ("x-units-of-work", "x-unit-of-work"),
        ("consistency", "x-consistency"),
        ("max-staleness", "x-max-staleness"),
        ("x-max-stalenes", "x-max-staleness"),
        ("x-consistancy", "x-consistency"),
    ] {
        let answer = post(&server, JSON, &json!({ "query": ADD }), &[(name, b"true")]).await;
        answer.assert_refused(400, "BAD_REQUEST");
        let message = format!("the header `{name}` is not known: it is written `{right}`");
        assert_eq!(answer.json()["errors"][0]["message"], message);
    }
    assert_eq!(server.toy.sum(), 0);
    // Others are others.
    let other: &[(&str, &[u8])] = &[
        ("x-dry", b"1"),
        ("x-request-timeout", b"1"),
        ("x-batch-size", b"1"),
        ("x-match", b"1"),
        ("if-match", b"1"),
        ("grpc-timeout", b"1"),
    ];
    assert_eq!(
        post(&server, JSON, &json!({ "query": ADD }), other)
            .await
            .status,
        200
    );
}
