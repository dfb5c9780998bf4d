//! Operations of one socket, which do not wait for each other.

use serde_json::json;

use super::{Socket, complete, next};
use crate::http::{DEFAULT_STOP, Server, toy};

#[tokio::test]
async fn queries_mutations_and_subscriptions_are_answered() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    for (id, query, data) in [
        ("q", "{ sum }", json!({ "sum": 0 })),
        ("m", "mutation { add(by: 2) }", json!({ "add": 2 })),
        ("q", "{ sum }", json!({ "sum": 2 })),
    ] {
        socket.subscribe(id, query).await;
        assert_eq!(socket.next().await, next(id, &data));
        assert_eq!(socket.next().await, complete(id));
    }
    socket.subscribe("s", "subscription { count(to: 2) }").await;
    assert_eq!(socket.next().await, next("s", &json!({ "count": 1 })));
    assert_eq!(socket.next().await, next("s", &json!({ "count": 2 })));
    assert_eq!(socket.next().await, complete("s"));
}

#[tokio::test]
async fn what_never_began_is_an_error_message_and_the_rest_is_next() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "query A { sum } query B { sum }",
            "OPERATION_RESOLUTION_FAILURE",
        ),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { cannotStart }",
            "OPERATION_RESOLUTION_FAILURE",
        ),
    ] {
        socket.subscribe("1", query).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error", "{query}: {message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], code, "{query}");
    }
    socket.subscribe("1", "{ fails }").await;
    let message = socket.next().await;
    assert_eq!(message["type"], "next");
    assert_eq!(message["payload"].get("data"), Some(&json!(null)));
    assert_eq!(socket.next().await, complete("1"));
}

#[tokio::test]
async fn a_panic_ends_its_operation_and_not_the_socket() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "{ panics }").await;
    let message = socket.next().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["payload"][0]["extensions"]["code"], "INTERNAL");
    socket.subscribe("1", "{ sum }").await;
    assert_eq!(socket.next().await, next("1", &json!({ "sum": 0 })));
}

#[tokio::test]
async fn an_operation_does_not_wait_for_another() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("open", "subscription { forever }").await;
    assert_eq!(socket.next().await, next("open", &json!({ "forever": 1 })));
    socket.subscribe("slow", "{ hold }").await;
    toy::take(&server.toy.holding).await;
    socket.subscribe("fast", "{ sum }").await;
    assert_eq!(socket.next().await, next("fast", &json!({ "sum": 0 })));
    assert_eq!(socket.next().await, complete("fast"));
    server.toy.release.add_permits(1);
    assert_eq!(socket.next().await, next("slow", &json!({ "hold": true })));
    assert_eq!(socket.next().await, complete("slow"));
    assert_eq!(server.toy.closed.available_permits(), 0);
}

#[tokio::test]
async fn complete_ends_the_operation_and_frees_its_id() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "mutation { hold }").await;
    toy::take(&server.toy.holding).await;
    socket.send(complete("1")).await;
    toy::take(&server.toy.dropped).await;
    socket.subscribe("1", "{ sum }").await;
    assert_eq!(socket.next().await, next("1", &json!({ "sum": 0 })));
}

#[tokio::test]
async fn too_many_operations_on_one_socket_are_refused_one_by_one() {
    let server = Server::start_with(|options| options.socket.operations = 1, DEFAULT_STOP).await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "{ hold }").await;
    socket.subscribe("2", "{ sum }").await;
    let message = socket.next().await;
    assert_eq!(
        (&message["type"], &message["id"]),
        (&json!("error"), &json!("2"))
    );
    server.toy.release.add_permits(1);
    assert_eq!(socket.next().await, next("1", &json!({ "hold": true })));
}
