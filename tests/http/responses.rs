//! Responses: status, `data`, codes, headers, batches, panics.

use serde_json::json;

use super::{Answer, GRAPHQL_RESPONSE, JSON, Server};

#[tokio::test]
async fn a_request_error_has_a_code_and_no_data() {
    let server = Server::start().await;
    let cases = [
        (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "" }), "GRAPHQL_PARSE_FAILED"),
        (
            json!({ "query": "{ nothing }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "{ hello(name: 3) }" }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": 3 } }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": "query($n: String!) { ...F } fragment F on Query { hello(name: $n) }", "variables": { "n": 3 } }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": "query($x: Boolean!) { sum @skip(if: $x) }", "variables": { "x": "no" } }),
            "BAD_USER_INPUT",
        ),
        // A document that is wrong whatever the variables are.
        (
            json!({ "query": "query($n: String!) { hello(name: $n) nothing }", "variables": { "n": 3 } }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "query($x: Boolean!) { hello(name: 3) @skip(if: $x) }", "variables": { "x": false } }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "query($n: String!) { hello(name: $n) }" }),
            "BAD_USER_INPUT",
        ),
        (
            json!({ "query": "query A { sum } query B { sum }" }),
            "OPERATION_RESOLUTION_FAILURE",
        ),
        (
            json!({ "query": "query A { sum }", "operationName": "C" }),
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ];
    for (body, code) in cases {
        Answer::of(server.post(GRAPHQL_RESPONSE, &body))
            .await
            .assert_refused(400, code);
        Answer::of(server.post(JSON, &body))
            .await
            .assert_refused(200, code);
    }
}

#[tokio::test]
async fn a_variable_with_a_default_need_not_be_given() {
    let server = Server::start().await;
    let answer = server
        .query(JSON, r#"query($n: String! = "you") { hello(name: $n) }"#)
        .await;
    assert_eq!(answer.json(), json!({ "data": { "hello": "hello you" } }));
}

#[tokio::test]
async fn an_execution_error_keeps_data_null_and_is_200() {
    let server = Server::start().await;
    for query in ["{ fails }", "mutation { fails }"] {
        for accept in [JSON, GRAPHQL_RESPONSE] {
            let answer = server.query(accept, query).await;
            let json = answer.json();
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(json.get("data"), Some(&json!(null)), "{answer:?}");
            assert_eq!(json["errors"][0]["path"], json!(["fails"]));
        }
    }
}

#[tokio::test]
async fn a_nullable_failure_keeps_the_rest() {
    let server = Server::start().await;
    let answer = server
        .query(GRAPHQL_RESPONSE, "{ failsNullably sum }")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["data"],
        json!({ "failsNullably": null, "sum": 0 })
    );
}

#[tokio::test]
async fn headers_of_resolvers_are_passed_on_and_cannot_break_the_frame() {
    let server = Server::start().await;
    let answer = server.query(JSON, "{ header }").await;
    assert_eq!(answer.json(), json!({ "data": { "header": 1 } }));
    assert_eq!(answer.header("x-toy"), Some("1"));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(answer.media_type(), "application/json; charset=utf-8");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_batch_runs_in_order_one_after_the_other() {
    let server = Server::start().await;
    let add = json!({ "query": "mutation { add(by: 1) }" });
    let batch = json!([add, { "query": "{ sum }" }, { "query": "{" }, add, { "query": "subscription { count(to: 1) }" }, add]);
    let answer = Answer::of(server.post(GRAPHQL_RESPONSE, &batch)).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json[0], json!({ "data": { "add": 1 } }));
    assert_eq!(json[1], json!({ "data": { "sum": 1 } }));
    assert_eq!(
        json[2]["errors"][0]["extensions"]["code"],
        "GRAPHQL_PARSE_FAILED"
    );
    assert_eq!(json[2].get("data"), None);
    assert_eq!(json[3], json!({ "data": { "add": 2 } }));
    assert_eq!(json[4]["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(json[5], json!({ "data": { "add": 3 } }));
}

#[tokio::test]
async fn a_batch_that_is_too_long_or_malformed_runs_nothing() {
    let server = Server::start().await;
    let add = json!({ "query": "mutation { add(by: 1) }" });
    for batch in [
        json!([]),
        json!(vec![add.clone(); 11]),
        json!([add, { "query": 1 }]),
        json!([[add]]),
    ] {
        Answer::of(server.post(JSON, &batch))
            .await
            .assert_refused(400, "BAD_REQUEST");
    }
    assert_eq!(server.toy.sum(), 0);
    let answer = Answer::of(server.post(JSON, &json!(vec![add; 10]))).await;
    assert_eq!(answer.json().as_array().map(Vec::len), Some(10));
}

#[tokio::test]
async fn a_panic_is_500_with_an_id_and_the_server_lives_on() {
    let server = Server::start().await;
    let answer = server.query(JSON, "{ panics }").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "INTERNAL");
    assert!(answer.json()["errors"][0]["extensions"]["id"].is_string());
    assert!(!answer.text.contains("secret"));
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

#[tokio::test]
async fn a_request_id_is_taken_up_where_it_is_sane() {
    let server = Server::start().await;
    let ask = |id: &str| {
        let request = server.client.get(server.url("/healthz"));
        Answer::of(request.header("x-request-id", id))
    };
    assert_eq!(
        ask("abc-123/4").await.header("x-request-id"),
        Some("abc-123/4")
    );
    for insane in ["a b", "a\"b", &"x".repeat(129)] {
        let answer = ask(insane).await;
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id.len(), 36, "{id} instead of {insane}");
    }
    let (first, second) = (server.get("/healthz").await, server.get("/healthz").await);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[tokio::test]
async fn the_playground_is_a_page_beside_the_api() {
    let server = Server::start_with(
        |options| options.pages = Some(daybook::http::playground::router()),
        super::DEFAULT_STOP,
    )
    .await;
    let answer = server.get("/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.media_type().starts_with("text/html"), "{answer:?}");
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);

    let without = Server::start().await;
    assert_eq!(without.get("/").await.status, 404);
}

#[tokio::test]
async fn a_trace_is_taken_up_where_it_is_valid() {
    let server = Server::start().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let ask = |parent: String| {
        let request = server.client.get(server.url("/healthz"));
        Answer::of(request.header("traceparent", parent))
    };
    let answer = ask(format!("00-{trace}-b7ad6b7169203331-01")).await;
    let parent = answer.header("traceparent").unwrap();
    assert!(
        parent.starts_with(&format!("00-{trace}-")) && !parent.contains("b7ad6b7169203331"),
        "{parent}"
    );
    let later = ask(format!("01-{trace}-b7ad6b7169203331-01-more")).await;
    assert!(later.header("traceparent").is_some());
    for invalid in [
        format!("00-{trace}-b7ad6b7169203331-01-more"),
        format!("ff-{trace}-b7ad6b7169203331-01"),
        format!("00-{trace}-0000000000000000-01"),
        format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
        format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
        "nonsense".to_owned(),
    ] {
        let answer = ask(invalid.clone()).await;
        assert_eq!(answer.header("traceparent"), None, "{invalid}");
    }
}
