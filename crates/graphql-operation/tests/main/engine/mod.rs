//! What the engine does with prepared operations.

mod again;
mod server;

use std::sync::atomic::Ordering;

use async_graphql::{Response, futures_util::StreamExt};
use serde_json::{Value as Json, json};

use self::server::Server;

#[tokio::test]
async fn a_mutation_field_runs_once() {
    let server = Server::new();
    for document in [
        "mutation { add(by: 1) { one } add(by: 1) { two } }",
        "mutation { ...A ...B } fragment A on Mutation { add(by: 1) { one } } fragment B on Mutation { add(by: 1) { two } }",
    ] {
        let data = server.text(document).await;
        assert_eq!(data, r#"{"add":{"one":1,"two":2}}"#);
    }
    assert_eq!(server.sum.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_condition_sees_the_default_of_its_variable() {
    let server = Server::new();
    let document = "mutation ($dry: Boolean = true) { add(by: 5) @skip(if: $dry) { one } }";
    assert_eq!(server.data(document, Json::Null).await, json!({}));
    assert_eq!(server.sum.load(Ordering::SeqCst), 0);
    let data = server.data(document, json!({ "dry": false })).await;
    assert_eq!(data, json!({ "add": { "one": 1 } }));
    let document = "query ($i: Boolean!) { __typename @include(if: $i) number }";
    let data = server.data(document, json!({ "i": true })).await;
    assert_eq!(data, json!({ "__typename": "Query", "number": 7 }));
}

#[tokio::test]
async fn an_argument_without_a_value_has_its_default() {
    let server = Server::new();
    let document = "query ($n: Int) { number(n: $n) optional(n: $n) }";
    let data = server.data(document, json!({})).await;
    assert_eq!(data, json!({ "number": 7, "optional": 7 }));
    let data = server.data(document, json!({ "n": 1.0 })).await;
    assert_eq!(data, json!({ "number": 1, "optional": 1 }));
}

/// The engine would add 5 before it finds the null.
#[tokio::test]
async fn nothing_runs_where_null_stands_in_place_of_a_number() {
    let server = Server::new();
    let document = "mutation ($n: Int = 1) { add(by: 5) { one } null: add(by: $n) { one } }";
    let response = server.run(document, json!({ "n": null })).await;
    assert_eq!(response["data"], Json::Null);
    let extensions = &response["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "BAD_USER_INPUT", "{response}");
    assert_eq!(server.sum.load(Ordering::SeqCst), 0);
    let lists = "query ($ids: [ID!] = []) { ids(ids: $ids) }";
    let response = server.run(lists, json!({ "ids": null })).await;
    assert_eq!(response["data"], Json::Null, "{response}");
    assert_eq!(server.data(lists, json!({})).await, json!({ "ids": 0 }));
}

#[tokio::test]
async fn texts_are_read_by_the_specification() {
    let server = Server::new();
    let cases = [
        (r#"{ echo(text: "\uD83D\uDE00\u{1F600}") }"#, "😀😀"),
        (
            r#""What for." query { echo(text: """a \""" b""") }"#,
            "a \"\"\" b",
        ),
    ];
    for (document, text) in cases {
        assert_eq!(
            server.data(document, Json::Null).await,
            json!({ "echo": text })
        );
    }
    assert_eq!(
        server.data("{ number(n: -0) }", Json::Null).await,
        json!({ "number": 0 })
    );
}

/// Of two doubles, the nearer one is meant.
#[tokio::test]
async fn numbers_with_a_fraction_are_read_to_the_last_digit() {
    let server = Server::new();
    for text in ["663.51482225939316", "930.2802167311013", "0.1", "5e-324"] {
        let number: f64 = text.parse().unwrap();
        let expected = json!({ "ratio": number.to_string() });
        let literal = format!("{{ ratio(of: {text}) }}");
        assert_eq!(server.data(&literal, Json::Null).await, expected);
        let variables = serde_json::from_str(&format!(r#"{{"of":{text}}}"#)).unwrap();
        let document = "query ($of: Float!) { ratio(of: $of) }";
        assert_eq!(server.data(document, variables).await, expected);
    }
}

#[tokio::test]
async fn what_is_not_valid_does_not_run() {
    let server = Server::new();
    for (document, variables, code) in [
        (
            "mutation { post(line: { amount: 1, amount: 777 }) }",
            Json::Null,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { post(line: { amount: 1, side: \"LEFT\" }) }",
            Json::Null,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { add(by: 1) { one } ... on Mutation { add(by: 2) { one } } }",
            Json::Null,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation ($l: Line!) { post(line: $l) }",
            json!({ "l": { "amount": "1" } }),
            "BAD_USER_INPUT",
        ),
        (
            "mutation { add(by: 1) { one }",
            Json::Null,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            "mutation A { add(by: 1) { one } } mutation B { add(by: 1) { one } }",
            Json::Null,
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ] {
        let response = server.run(document, variables).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], code,
            "{response}"
        );
        assert_eq!(response["data"], Json::Null);
    }
    assert_eq!(server.sum.load(Ordering::SeqCst), 0);
    // All that is wrong is told.
    let response = server.run("{ nothing1 nothing2 }", Json::Null).await;
    assert_eq!(
        response["errors"].as_array().unwrap().len(),
        2,
        "{response}"
    );
}

#[tokio::test]
async fn defaults_of_input_objects_are_applied() {
    let server = Server::new();
    let data = server
        .data(
            "mutation ($l: Line!) { post(line: $l) }",
            json!({ "l": { "amount": 3 } }),
        )
        .await;
    assert_eq!(data, json!({ "post": 3 }));
    let data = server
        .data(
            "mutation ($l: Line! = { amount: 2, side: RIGHT }) { post(line: $l) }",
            Json::Null,
        )
        .await;
    assert_eq!(data, json!({ "post": 1 }));
}

#[tokio::test]
async fn objects_of_abstract_types_have_their_fields_in_order() {
    let server = Server::new();
    let document = "{ pets { ... on Dog { barks } id ... on Pet { name } ...C } beasts { __typename ... on Pet { name } ...C } }
        fragment C on Cat { meows name }";
    assert_eq!(
        server.text(document).await,
        r#"{"pets":[{"barks":true,"id":"d","name":"Rex"},{"id":"c","name":"Tom","meows":false}],"beasts":[{"__typename":"Dog","name":"Rex"},{"__typename":"Cat","name":"Tom","meows":false}]}"#
    );
    let document = "{ inner { pets { ... on Beast { __typename ... on Cat { meows } } } } }";
    assert_eq!(
        server.text(document).await,
        r#"{"inner":{"pets":[{"__typename":"Dog"},{"__typename":"Cat","meows":false}]}}"#
    );
}

#[tokio::test]
async fn errors_stand_where_their_field_stood() {
    let server = Server::new();
    let document =
        "{\n  ...F\n}\nfragment F on Query {\n  inner { x: fails } inner { x: fails number } }";
    let response = server.run(document, Json::Null).await;
    assert_eq!(
        response["data"],
        json!({ "inner": { "x": null, "number": 7 } })
    );
    let errors = json!([{ "message": "it fails", "locations": [{ "line": 5, "column": 11 }], "path": ["inner", "x"] }]);
    assert_eq!(response["errors"], errors);
}

#[tokio::test]
async fn a_subscription_is_one_stream() {
    let server = Server::new();
    for document in [
        "subscription { added { one two } }",
        "subscription { ...F } fragment F on Events { added { one two } }",
        "subscription { added { one } ... { added { two } } }",
    ] {
        let events: Vec<Response> = server.schema.execute_stream(document).collect().await;
        let events = serde_json::to_value(&events).unwrap();
        assert_eq!(
            events,
            json!([{ "data": { "added": { "one": 1, "two": 2 } } }]),
            "{document}"
        );
    }
    let events: Vec<Response> = server
        .schema
        .execute_stream("subscription { a: added { one } added { one } }")
        .collect()
        .await;
    assert!(events.len() == 1 && events[0].is_err());
}
