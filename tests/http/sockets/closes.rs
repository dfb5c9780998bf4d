//! The close codes of sockets.

use std::time::Duration;

use daybook::http::Options;
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::timeout;

use super::Socket;
use crate::http::{DEFAULT_STOP, PATIENCE, Server, toy};

#[tokio::test]
async fn a_message_the_protocol_does_not_know_is_4400() {
    let server = Server::start().await;
    let long = "x".repeat(500);
    for text in [
        "",
        "[]",
        "{}",
        r#"{"type":1}"#,
        r#"{"type":"start","id":"1","payload":{"query":"{sum}"}}"#,
        r#"{"type":"subscribe","payload":{"query":"{sum}"}}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{sum}"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
        r#"{"type":"ping","payload":1}"#,
        r#"{"type":"complete"}"#,
        long.as_str(),
    ] {
        let mut socket = Socket::open(&server).await;
        socket.send_text(text).await;
        assert_eq!(socket.closed().await, 4400, "{text}");
    }
}

#[tokio::test]
async fn subscribe_before_init_is_4401() {
    let server = Server::start().await;
    let mut socket = Socket::connect(&server).await;
    socket.subscribe("1", "mutation { add(by: 1) }").await;
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(server.toy.sum(), 0);
}

/// What a client has sent meanwhile, and nobody reads any more, does not keep the reason from it.
#[tokio::test]
async fn the_reason_arrives_whatever_was_sent_meanwhile() {
    let server = Server::start().await;
    let long = json!({ "type": "ping", "payload": "x".repeat(500_000) });
    for _ in 0..20 {
        let mut socket = Socket::connect(&server).await;
        socket.subscribe("1", "mutation { add(by: 1) }").await;
        socket.send(long.clone()).await;
        assert_eq!(socket.closed().await, 4401);
        // Closed by both sides, and not reset: a reset can overtake the reason.
        let end = timeout(PATIENCE, socket.0.next()).await.expect("no end");
        assert!(end.is_none(), "{end:?}");
    }
}

/// As a body over the limit is 413.
#[tokio::test]
async fn a_message_over_the_limit_is_1009() {
    let server = Server::start_with(|options| options.limits.body_bytes = 1000, DEFAULT_STOP).await;
    let with = |filler| json!({ "query": "mutation { add(by: 1) }", "x": "x".repeat(filler) });
    let mut socket = Socket::open(&server).await;
    socket.subscribe_with("1", &with(900)).await;
    assert_eq!(socket.next().await["payload"]["data"]["add"], 1);
    assert_eq!(socket.next().await["type"], "complete");
    // Read to its end, and not even that.
    for filler in [1000, 2000] {
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("2", &with(filler)).await;
        assert_eq!(socket.closed().await, 1009, "{filler}");
    }
    assert_eq!(server.toy.sum(), 1);
}

/// A client that is still sending hears why, and is not reset.
#[tokio::test]
async fn a_long_message_over_the_limit_is_read_and_refused() {
    let server = Server::start_with(
        |options| options.limits.body_bytes = 4_000_000,
        DEFAULT_STOP,
    )
    .await;
    let long = json!({ "query": "{ sum }", "x": "x".repeat(7_900_000) });
    for _ in 0..5 {
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", &long).await;
        assert_eq!(socket.closed().await, 1009);
        let end = timeout(PATIENCE, socket.0.next()).await.expect("no end");
        assert!(end.is_none(), "{end:?}");
    }
}

#[tokio::test]
async fn no_init_in_time_is_4408() {
    let soon = |options: &mut Options| options.socket.init_timeout = Duration::from_millis(20);
    let server = Server::start_with(soon, DEFAULT_STOP).await;
    let mut socket = Socket::connect(&server).await;
    assert_eq!(socket.closed().await, 4408);
}

#[tokio::test]
async fn an_id_in_use_is_4409() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    let id = "é".repeat(200);
    socket.subscribe(&id, "{ hold }").await;
    toy::take(&server.toy.holding).await;
    socket.subscribe(&id, "{ sum }").await;
    assert_eq!(socket.closed().await, 4409);
    toy::take(&server.toy.dropped).await;
}

#[tokio::test]
async fn a_second_init_is_4429() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, 4429);
}
