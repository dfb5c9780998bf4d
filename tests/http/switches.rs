//! The switches of a request, by header and by extension: what is not understood is refused, and nothing has run.

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value as Json, json};

use super::{
    Answer, GRAPHQL_RESPONSE, JSON, Server,
    sockets::{PROTOCOL, Socket},
};

const ADD: &str = "mutation { add(by: 1) }";

/// Headers as they are, also those that are there twice.
fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

async fn post(server: &Server, accept: &str, body: &Json, pairs: &[(&str, &[u8])]) -> Answer {
    Answer::of(server.post(accept, body).headers(headers(pairs))).await
}

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

#[tokio::test]
async fn a_switch_where_none_is_read_is_refused() {
    let server = Server::start().await;
    // A client that asks for a batch has not sent one.
    for value in ["all-or-nothing", "each"] {
        for accept in [JSON, "text/event-stream"] {
            let answer = post(
                &server,
                accept,
                &json!({ "query": ADD }),
                &[("x-batch", value.as_bytes())],
            )
            .await;
            answer.assert_refused(400, "BAD_REQUEST");
        }
        let get = server.client.get(server.url("/graphql?query={sum}"));
        Answer::of(get.header("x-batch", value))
            .await
            .assert_refused(400, "BAD_REQUEST");
    }
    // A member beside `query`, and the query string of a POST.
    for name in [
        "dryRun",
        "dry_run",
        "x-dry-run",
        "idempotencyKey",
        "timeout",
        "x-batch",
        "Extensions",
        "operation_name",
        "dryRuns",
        "idempotentKey",
        "extension",
        "extentions",
        "variable",
    ] {
        for body in [
            json!({ "query": ADD, name: true }),
            json!([{ "query": ADD }, { "query": ADD, name: true }]),
        ] {
            post(&server, JSON, &body, &[])
                .await
                .assert_refused(400, "BAD_REQUEST");
        }
        // The others are members of a request, which the query string of a POST may have: nobody reads them there.
        let members = [
            "Extensions",
            "operation_name",
            "extension",
            "extentions",
            "variable",
        ];
        if !members.contains(&name) {
            let request = server
                .client
                .post(server.url(&format!("/graphql?a=b&{name}=true")));
            Answer::of(request.json(&json!({ "query": ADD })))
                .await
                .assert_refused(400, "BAD_REQUEST");
        }
    }
    assert_eq!(server.toy.sum(), 0);
}

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

/// What is understood reaches the unit of work, however it is written.
#[tokio::test]
async fn a_switch_is_honoured() {
    let server = Server::start().await;
    let query = json!({ "query": "{ isDryRun told }" });
    let dry = |extension: Option<bool>| {
        let mut query = query.clone();
        if let Some(dry_run) = extension {
            query["extensions"] = json!({ "dryRun": dry_run });
        }
        query
    };
    for (extension, header, expected) in [
        (None, None, false),
        (None, Some("true"), true),
        (None, Some("TRUE"), true),
        (None, Some(" true "), true),
        (None, Some("false"), false),
        (Some(true), None, true),
        (Some(false), None, false),
        // Either of them is enough.
        (Some(false), Some("true"), true),
        (Some(true), Some("false"), true),
    ] {
        let header = header.map(|value| ("x-dry-run", value.as_bytes()));
        let answer = post(&server, JSON, &dry(extension), header.as_slice()).await;
        assert_eq!(
            answer.json()["data"]["isDryRun"],
            expected,
            "{extension:?} {header:?}"
        );
    }
    for (value, told) in [("off", "Off"), ("REPORT", "InExtensions")] {
        let answer = post(
            &server,
            JSON,
            &query,
            &[("x-unit-of-work", value.as_bytes())],
        )
        .await;
        assert_eq!(answer.json()["data"]["told"], told);
    }
    let batch = json!([{ "query": ADD }, { "query": ADD }]);
    assert_eq!(
        post(&server, JSON, &batch, &[("x-batch", b"each")])
            .await
            .status,
        200
    );
    assert_eq!(server.toy.sum(), 2);
}

/// A browser has no headers for a WebSocket: `connection_init` has them.
#[tokio::test]
async fn a_socket_has_switches_of_its_own() {
    let server = Server::start().await;
    let told = json!({ "query": "{ isDryRun told }" });
    let told = async |socket: &mut Socket| {
        socket.subscribe_with("1", &told).await;
        let data = socket.next().await["payload"]["data"].take();
        assert_eq!(socket.next().await["type"], "complete");
        data
    };
    for (header, payload) in [
        (&[PROTOCOL, ("x-dry-run", "true")][..], json!({})),
        (
            &[PROTOCOL],
            json!({ "x-dry-run": "true", "X-Unit-Of-Work": "off", "other": 1 }),
        ),
        (
            &[PROTOCOL, ("x-dry-run", "false")],
            json!({ "x-dry-run": "true" }),
        ),
    ] {
        let mut socket = Socket::try_connect(&server, header).await.unwrap();
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        assert_eq!(
            told(&mut socket).await,
            json!({ "isDryRun": true, "told": "Off" })
        );
    }
    for header in [
        ("x-dry-run", "1"),
        ("x-batch", "each"),
        ("x-timeout", ""),
        ("x-dryrun", "true"),
        ("idempotency-key", "\"a\""),
    ] {
        assert!(
            Socket::try_connect(&server, &[PROTOCOL, header])
                .await
                .is_err(),
            "{header:?}"
        );
    }
    for payload in [
        json!({ "x-dry-run": true }),
        json!({ "x-dry-run": "1" }),
        json!({ "x-dry-run": "true", "X-Dry-Run": "false" }),
        json!({ "dryRun": true }),
        json!({ "x-batch": "all-or-nothing" }),
        json!({ "idempotency-key": "\"a\"" }),
        json!({ "headers": { "x-dry-run": "true" } }),
    ] {
        let mut socket = Socket::connect(&server).await;
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.closed().await, 4400, "{payload}");
    }
}

/// A mutation over GET is refused, whatever is asked of it.
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
