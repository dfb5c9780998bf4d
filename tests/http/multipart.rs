//! Subscriptions as `multipart/mixed`. What Apollo's client makes of them is in `tests/clients`.

use daybook::http::Stopped;
use reqwest::RequestBuilder;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{Answer, JSON, PATIENCE, Server, toy};

/// What Apollo Client sends with a subscription.
const APOLLO: &str = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";
const ALONE: &str = "multipart/mixed;subscriptionSpec=1.0";
const PART: &str = "\r\n--graphql\r\ncontent-type: application/json\r\n\r\n";
const END: &str = "\r\n--graphql--\r\n";

fn post(server: &Server, accept: &str, query: &str) -> RequestBuilder {
    server.post(accept, &json!({ "query": query }))
}

/// The parts of a response that ends by itself.
async fn parts(request: RequestBuilder) -> Vec<Json> {
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.media_type(),
        "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\""
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let parts = answer.text.strip_suffix(END).expect("it has no end");
    let parts = parts.split(PART).skip(1);
    parts
        .map(|part| serde_json::from_str(part).unwrap())
        .collect()
}

#[tokio::test]
async fn each_event_is_a_part() {
    let server = Server::start().await;
    for accept in [APOLLO, ALONE] {
        let parts = parts(post(&server, accept, "subscription { count(to: 2) }")).await;
        let part = |n: i32| json!({ "payload": { "data": { "count": n } } });
        assert_eq!(parts, [part(1), part(2)]);
    }
    let none = parts(post(&server, APOLLO, "subscription { count(to: 0) }")).await;
    assert_eq!(none, [] as [Json; 0]);
}

/// A part that waits in a compressor for more to come would not arrive.
#[tokio::test]
async fn each_part_arrives_at_once_also_for_who_takes_compressed_answers() {
    let server = Server::start().await;
    for encoding in ["gzip", "br", "gzip, br"] {
        let request = post(&server, APOLLO, "subscription { forever }");
        let request = request.header("accept-encoding", encoding);
        let mut response = request.send().await.unwrap();
        assert_eq!(response.headers().get("content-encoding"), None);
        let mut text = String::new();
        let expected = format!("{PART}{{\"payload\":{{\"data\":{{\"forever\":1}}}}}}\r\n--graphql");
        while text.len() < expected.len() {
            let chunk = timeout(PATIENCE, response.chunk()).await;
            let chunk = chunk.expect("a part waits").unwrap().unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        // With the boundary behind it, by which the client knows that it is whole.
        assert_eq!(text, expected);
        drop(response);
        toy::take(&server.toy.closed).await;
    }
}

#[tokio::test]
async fn the_boundary_is_the_one_that_is_asked_for() {
    let server = Server::start().await;
    for (asked, boundary) in [
        ("boundary=a-1.b_", "a-1.b_"),
        ("boundary=\"a b\"", "graphql"),
    ] {
        let accept = format!("multipart/mixed;{asked};subscriptionSpec=1.0");
        let answer = Answer::of(post(&server, &accept, "subscription { count(to: 0) }")).await;
        assert_eq!(
            answer.media_type(),
            format!("multipart/mixed;boundary=\"{boundary}\";subscriptionSpec=\"1.0\"")
        );
        assert_eq!(answer.text, format!("\r\n--{boundary}--\r\n"));
    }
}

#[tokio::test]
async fn what_is_no_subscription_is_json_or_refused() {
    let server = Server::start().await;
    let answer = Answer::of(post(&server, APOLLO, "mutation { add(by: 1) }")).await;
    assert_eq!(answer.json(), json!({ "data": { "add": 1 } }));
    for query in ["mutation { add(by: 1) }", "{ sum }"] {
        let answer = Answer::of(post(&server, ALONE, query)).await;
        answer.assert_refused(406, "BAD_REQUEST");
    }
    let batch = json!([{ "query": "mutation { add(by: 1) }" }]);
    let answer = Answer::of(server.post(ALONE, &batch)).await;
    answer.assert_refused(406, "BAD_REQUEST");
    assert_eq!(server.toy.sum(), 1);
    // Incremental delivery, and a version that nobody knows.
    for accept in ["multipart/mixed", "multipart/mixed;subscriptionSpec=2.0"] {
        let answer = Answer::of(post(&server, accept, "subscription { count(to: 1) }")).await;
        answer.assert_refused(406, "BAD_REQUEST");
        let accept = format!("{accept}, {JSON}");
        let answer = Answer::of(post(&server, &accept, "subscription { count(to: 1) }")).await;
        answer.assert_refused(400, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn what_never_began_has_errors_alone() {
    let server = Server::start().await;
    for accept in [APOLLO, ALONE] {
        let answer = Answer::of(post(&server, accept, "subscription { nothing }")).await;
        answer.assert_refused(200, "GRAPHQL_VALIDATION_FAILED");
        assert_eq!(answer.media_type(), "application/json; charset=utf-8");
    }
    let parts = parts(post(&server, APOLLO, "subscription { cannotStart }")).await;
    assert_eq!(parts.len(), 1, "{parts:?}");
    let payload = &parts[0]["payload"];
    assert_eq!(
        payload["errors"][0]["extensions"]["code"],
        "OPERATION_RESOLUTION_FAILURE"
    );
    assert_eq!(payload.get("data"), None);
}

#[tokio::test]
async fn a_panic_is_the_last_part() {
    let server = Server::start().await;
    let parts = parts(post(&server, APOLLO, "subscription { panics }")).await;
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert_eq!(parts[0], json!({ "payload": { "data": { "panics": 1 } } }));
    assert_eq!(
        parts[1]["payload"]["errors"][0]["extensions"]["code"],
        "INTERNAL"
    );
}

/// The end of the body is this protocol's `complete`, so a client has to be told that there is more to come.
#[tokio::test]
async fn a_server_that_stops_says_that_there_is_more_to_come() {
    let mut server = Server::start().await;
    let mut response = post(&server, APOLLO, "subscription { forever }")
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("forever") {
        let chunk = timeout(PATIENCE, response.chunk()).await;
        let chunk = chunk.expect("nothing comes").unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    server.stop.cancel();
    let rest = timeout(PATIENCE, response.text()).await;
    text.push_str(&rest.expect("the response goes on").unwrap());
    let (_, last) = text.strip_suffix(END).unwrap().rsplit_once(PART).unwrap();
    let last: Json = serde_json::from_str(last).unwrap();
    assert_eq!(last["payload"], Json::Null);
    assert_eq!(
        last["errors"][0]["extensions"]["code"],
        "SUBSCRIPTION_INTERRUPTED"
    );
    toy::take(&server.toy.closed).await;
    let stopped = timeout(PATIENCE, &mut server.task).await;
    assert_eq!(stopped.expect("it does not stop").unwrap(), Stopped::Clean);
}
