//! GraphQL over server-sent events. What npm's client makes of it is in `tests/clients`.

use std::time::Duration;

use daybook::http::Stopped;
use reqwest::RequestBuilder;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{Answer, GRAPHQL_RESPONSE, JSON, PATIENCE, Server, toy};

const EVENTS: &str = "text/event-stream";

fn post(server: &Server, accept: &str, query: &str) -> RequestBuilder {
    server.post(accept, &json!({ "query": query }))
}

/// The events of a stream that ends by itself: names and data.
async fn events(request: RequestBuilder) -> Vec<(String, Json)> {
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.media_type(), EVENTS);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // A proxy that collects a response until it is whole would never pass this one on.
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    answer.text.split_terminator("\n\n").map(event).collect()
}

fn event(text: &str) -> (String, Json) {
    let (name, data) = text
        .split_once('\n')
        .unwrap_or_else(|| panic!("{text:?} has no data"));
    let data: String = data
        .lines()
        .map(|line| line.strip_prefix("data:").unwrap().trim())
        .collect();
    let data = if data.is_empty() {
        Json::Null
    } else {
        serde_json::from_str(&data).unwrap()
    };
    (name.strip_prefix("event: ").unwrap().to_owned(), data)
}

fn next(data: &Json) -> (String, Json) {
    ("next".to_owned(), json!({ "data": data }))
}

fn complete() -> (String, Json) {
    ("complete".to_owned(), Json::Null)
}

#[tokio::test]
async fn queries_mutations_and_subscriptions_are_streams() {
    let server = Server::start().await;
    for (query, responses) in [
        ("{ sum }", vec![json!({ "sum": 0 })]),
        ("mutation { add(by: 2) }", vec![json!({ "add": 2 })]),
        (
            "subscription { count(to: 2) }",
            vec![json!({ "count": 1 }), json!({ "count": 2 })],
        ),
    ] {
        let mut expected: Vec<_> = responses.iter().map(next).collect();
        expected.push(complete());
        assert_eq!(events(post(&server, EVENTS, query)).await, expected);
    }
    // As a browser's `EventSource` asks.
    let get = server
        .client
        .get(server.url("/graphql?query=subscription{count(to:1)}"));
    let get = events(get.header("accept", EVENTS)).await;
    assert_eq!(get, [next(&json!({ "count": 1 })), complete()]);
}

/// urql names every type it knows, with every request.
#[tokio::test]
async fn who_takes_json_too_gets_events_for_subscriptions_alone() {
    let server = Server::start().await;
    let all =
        "application/graphql-response+json, application/json, text/event-stream, multipart/mixed";
    let answer = Answer::of(post(&server, all, "{ sum }")).await;
    assert_eq!(
        answer.media_type(),
        format!("{GRAPHQL_RESPONSE}; charset=utf-8")
    );
    let count = events(post(&server, all, "subscription { count(to: 1) }")).await;
    assert_eq!(count, [next(&json!({ "count": 1 })), complete()]);
    for accept in [JSON, "*/*", "text/event-stream;q=0, */*"] {
        let answer = Answer::of(post(&server, accept, "subscription { count(to: 1) }")).await;
        answer.assert_refused(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn what_never_began_is_an_event_of_errors_alone() {
    let server = Server::start().await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { cannotStart count(to: 2) }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { cannotStart }",
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ] {
        let events = events(post(&server, EVENTS, query)).await;
        assert_eq!(events.len(), 2, "{query}: {events:?}");
        assert_eq!(
            events[0].1["errors"][0]["extensions"]["code"], code,
            "{query}"
        );
        assert_eq!(events[0].1.get("data"), None);
        assert_eq!(events[1], complete());
    }
    let events = events(post(&server, EVENTS, "{ fails }")).await;
    assert_eq!(events[0].1.get("data"), Some(&Json::Null));
}

#[tokio::test]
async fn a_panic_ends_its_stream_and_not_the_connection() {
    let server = Server::start().await;
    let events = events(post(&server, EVENTS, "subscription { panics }")).await;
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[0], next(&json!({ "panics": 1 })));
    assert_eq!(events[1].1["errors"][0]["extensions"]["code"], "INTERNAL");
    assert_eq!(events[2], complete());
}

#[tokio::test]
async fn a_request_that_is_refused_has_a_status() {
    let server = Server::start().await;
    let get = server
        .client
        .get(server.url("/graphql?query=mutation{add(by:1)}"));
    Answer::of(get.header("accept", EVENTS))
        .await
        .assert_refused(405, "BAD_REQUEST");
    let batch = json!([{ "query": "mutation { add(by: 1) }" }]);
    Answer::of(server.post(EVENTS, &batch))
        .await
        .assert_refused(406, "BAD_REQUEST");
    Answer::of(server.post(EVENTS, &json!(1)))
        .await
        .assert_refused(400, "BAD_REQUEST");
    assert_eq!(server.toy.sum(), 0);
}

#[tokio::test]
async fn a_client_that_goes_ends_its_subscription() {
    let server = Server::start().await;
    let mut response = post(&server, EVENTS, "subscription { forever }")
        .send()
        .await
        .unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert_eq!(
        event(std::str::from_utf8(&first).unwrap().trim_end()),
        next(&json!({ "forever": 1 }))
    );
    drop(response);
    toy::take(&server.toy.closed).await;

    let held = tokio::spawn(Answer::of(post(&server, EVENTS, "mutation { hold }")));
    toy::take(&server.toy.holding).await;
    held.abort();
    toy::take(&server.toy.dropped).await;
}

/// Without `complete`: the client takes the subscription up again elsewhere.
#[tokio::test]
async fn an_open_stream_does_not_hold_the_stop() {
    let mut server = Server::start().await;
    let mut response = post(&server, EVENTS, "subscription { forever }")
        .send()
        .await
        .unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    server.stop.cancel();
    let end = timeout(PATIENCE, response.chunk())
        .await
        .expect("the stream goes on");
    assert_eq!(end.unwrap(), None);
    toy::take(&server.toy.closed).await;
    let stopped = timeout(Duration::from_secs(5), &mut server.task).await;
    assert_eq!(stopped.expect("it does not stop").unwrap(), Stopped::Clean);
}
