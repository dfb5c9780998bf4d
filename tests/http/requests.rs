//! Valid requests: methods, content types, media types, members, sizes.

use reqwest::{Method, header};
use serde_json::json;
use unit_of_work::Report;

use super::{Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, JSON, Server};

#[tokio::test]
async fn the_answer_has_the_media_type_that_was_asked_for() {
    let server = Server::start().await;
    let cases = [
        (JSON, JSON),
        ("*/*", JSON),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (
            "application/graphql-response+json, application/json;q=0.9",
            GRAPHQL_RESPONSE,
        ),
    ];
    for (accept, expected) in cases {
        let answer = server.query(accept, "{ hello(name: \"you\") }").await;
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(
            answer.media_type(),
            format!("{expected}; charset=utf-8"),
            "{accept}"
        );
        assert_eq!(answer.json(), json!({ "data": { "hello": "hello you" } }));
    }
}

#[tokio::test]
async fn a_media_type_nobody_speaks_is_406_before_anything_runs() {
    let server = Server::start().await;
    server
        .query("text/html", "mutation { add(by: 1) }")
        .await
        .assert_refused(406, "BAD_REQUEST");
    assert_eq!(server.toy.sum(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_415_and_runs_nothing() {
    let server = Server::start().await;
    let body = r#"{"query":"mutation { add(by: 1) }"}"#;
    let types = [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json; charset=utf-16"),
        Some("nonsense"),
    ];
    for content_type in types {
        let mut request = server.client.post(server.url("/graphql")).body(body);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        Answer::of(request).await.assert_refused(415, "BAD_REQUEST");
    }
    assert_eq!(server.toy.sum(), 0);

    let request = server.client.post(server.url("/graphql")).body(body);
    let request = request.header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
    assert_eq!(
        Answer::of(request).await.json(),
        json!({ "data": { "add": 1 } })
    );
}

#[tokio::test]
async fn other_methods_are_405() {
    let server = Server::start().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = Answer::of(server.client.request(method, server.url("/graphql"))).await;
        answer.assert_refused(405, "BAD_REQUEST");
        assert_eq!(answer.header("allow"), Some("GET, POST"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

fn get(server: &Server, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
    server.client.get(server.url("/graphql")).query(parameters)
}

#[tokio::test]
async fn get_runs_a_query_with_all_its_parameters() {
    let server = Server::start().await;
    let request = get(
        &server,
        &[
            (
                "query",
                "query A($n: String!) { hello(name: $n) } query B { sum }",
            ),
            ("operationName", "A"),
            ("variables", r#"{"n":"Zoë & co"}"#),
            ("extensions", "{}"),
        ],
    );
    assert_eq!(
        Answer::of(request).await.json(),
        json!({ "data": { "hello": "hello Zoë & co" } })
    );
}

#[tokio::test]
async fn get_does_not_run_a_mutation() {
    let server = Server::start().await;
    let documents = [
        ("mutation { add(by: 1) }", ""),
        ("query Q { sum } mutation M { add(by: 1) }", "M"),
    ];
    for (query, name) in documents {
        let answer = Answer::of(get(&server, &[("query", query), ("operationName", name)])).await;
        answer.assert_refused(405, "BAD_REQUEST");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_eq!(server.toy.sum(), 0);
    // The kind that counts is that of the operation that is meant.
    let (query, _) = documents[1];
    let answer = Answer::of(get(&server, &[("query", query), ("operationName", "Q")])).await;
    assert_eq!(answer.json(), json!({ "data": { "sum": 0 } }));
}

#[tokio::test]
async fn a_get_that_cannot_be_read_is_400() {
    let server = Server::start().await;
    for parameters in [
        "",
        "query=",
        "query={sum}&variables={",
        "query={sum}&variables=[]",
        "query=a&query=b",
    ] {
        let answer = server.get(&format!("/graphql?{parameters}")).await;
        answer.assert_refused(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_400_in_our_own_words() {
    let server = Server::start().await;
    let cases = [
        ("", "the body is not valid JSON"),
        ("{", "the body is not valid JSON"),
        ("\u{feff}{}", "the body is not valid JSON"),
        ("3", "a GraphQL request is a JSON object"),
        ("{}", "`query` is missing"),
        (r#"{"query":null}"#, "`query` is missing"),
        (r#"{"query":1}"#, "`query` must be a string"),
        (
            r#"{"query":"{sum}","operationName":{}}"#,
            "`operationName` must be a string",
        ),
        (
            r#"{"query":"{sum}","variables":[]}"#,
            "`variables` must be an object",
        ),
        (
            r#"{"query":"{sum}","variables":"{}"}"#,
            "`variables` must be an object",
        ),
        (
            r#"{"query":"{sum}","extensions":0}"#,
            "`extensions` must be an object",
        ),
    ];
    for (body, message) in cases {
        let request = server.client.post(server.url("/graphql")).body(body);
        let answer = Answer::of(request.header(header::CONTENT_TYPE, JSON)).await;
        answer.assert_refused(400, "BAD_REQUEST");
        assert_eq!(answer.json()["errors"][0]["message"], message, "{body}");
    }
}

#[tokio::test]
async fn null_members_are_absent_ones() {
    let server = Server::start().await;
    let body = json!({ "query": "{ sum }", "operationName": null, "variables": null, "extensions": null, "other": 1 });
    assert_eq!(
        Answer::of(server.post(JSON, &body)).await.json(),
        json!({ "data": { "sum": 0 } })
    );
}

#[tokio::test]
async fn a_subscription_is_sent_to_the_websocket() {
    let server = Server::start().await;
    server
        .query(JSON, "subscription { count(to: 1) }")
        .await
        .assert_refused(400, "BAD_REQUEST");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_chunked_or_not() {
    let server = Server::start_with(
        |options| options.limits.body_bytes = 1000,
        super::DEFAULT_STOP,
    )
    .await;
    let fits = json!({ "query": "{ sum }", "filler": "x".repeat(900) });
    assert_eq!(Answer::of(server.post(JSON, &fits)).await.status, 200);

    let greater = json!({ "query": "{ sum }", "filler": "x".repeat(1000) });
    Answer::of(server.post(JSON, &greater))
        .await
        .assert_refused(413, "BAD_REQUEST");

    let body = greater.to_string();
    let answer = server
        .raw(&format!(
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":"BAD_REQUEST""#), "{answer}");
}

/// By header or, where there are none, by extension; never more than the server tells.
#[tokio::test]
async fn what_is_told_of_the_unit_is_for_those_who_ask() {
    for most in [Report::InExtensions, Report::Timeline] {
        let server = Server::start_with(
            |options| options.switches = daybook::http::reports(most),
            DEFAULT_STOP,
        )
        .await;
        let most = format!("{most:?}");
        for (asked, told) in [
            ("off", "Off"),
            ("report", "InExtensions"),
            ("REPORT", "InExtensions"),
            ("timeline", &most),
        ] {
            let query = json!({ "query": "{ told }" });
            let by_header = server.post("*/*", &query).header("x-unit-of-work", asked);
            let mut query = query.clone();
            query["extensions"] = json!({ "unitOfWork": asked });
            for request in [by_header, server.post("*/*", &query)] {
                let answer = Answer::of(request).await.json();
                assert_eq!(answer["data"]["told"], told, "{asked}, at most {most}");
            }
        }
    }
}
