//! Peers that ping, leave, fall silent, or do not read.

use std::{sync::atomic::Ordering, time::Duration};

use daybook::http::Options;
use serde_json::json;
use tokio::time::timeout;

use super::{Socket, next};
use crate::http::{DEFAULT_STOP, JSON, PATIENCE, Server, toy};

#[tokio::test]
async fn a_ping_is_echoed() {
    let server = Server::start().await;
    let mut socket = Socket::connect(&server).await;
    socket
        .send(json!({ "type": "ping", "payload": { "a": 1 } }))
        .await;
    assert_eq!(
        socket.next().await,
        json!({ "type": "pong", "payload": { "a": 1 } })
    );
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, json!({ "type": "pong" }));
    socket.send(json!({ "type": "pong" })).await;
    socket
        .send(json!({ "type": "connection_init", "payload": { "token": "x" } }))
        .await;
    assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
}

/// Many of them are answered one after the other, and not as fast as they come. What asks for something comes after them.
#[tokio::test]
async fn pings_are_answered_at_a_pace() {
    const PINGS: usize = 80;
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    let began = std::time::Instant::now();
    for n in 0..PINGS {
        socket
            .send(json!({ "type": "ping", "payload": { "n": n } }))
            .await;
    }
    socket.subscribe("1", "{ sum }").await;
    for n in 0..PINGS {
        assert_eq!(
            socket.next().await,
            json!({ "type": "pong", "payload": { "n": n } })
        );
    }
    assert_eq!(socket.next().await, next("1", &json!({ "sum": 0 })));
    // 32 at once, and 32 in each further second.
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_goes_ends_its_operations() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "subscription { forever }").await;
    assert_eq!(socket.next().await, next("1", &json!({ "forever": 1 })));
    socket.subscribe("2", "mutation { hold }").await;
    toy::take(&server.toy.holding).await;
    drop(socket);
    toy::take(&server.toy.dropped).await;
    toy::take(&server.toy.closed).await;
}

#[tokio::test]
async fn a_peer_that_is_silent_is_taken_for_gone() {
    let soon = |options: &mut Options| options.socket.ping_interval = Duration::from_millis(200);
    let server = Server::start_with(soon, DEFAULT_STOP).await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "subscription { forever }").await;
    assert_eq!(socket.next().await, next("1", &json!({ "forever": 1 })));
    // Nobody reads the socket, so no ping is answered.
    toy::take(&server.toy.closed).await;
}

/// What a client leaves unread is bounded, and it is not waited for without end.
#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let soon = |options: &mut Options| options.socket.send_timeout = Duration::from_millis(200);
    let server = Server::start_with(soon, DEFAULT_STOP).await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("big", "subscription { big }").await;
    toy::take(&server.toy.closed).await;
    // A few megabytes were in the sockets' own buffers, and sixteen messages in the channel.
    let made = server.toy.made.load(Ordering::SeqCst);
    assert!((17..1000).contains(&made), "{made} events were made");
}

/// An operation ends, and gives back what it holds, whether or not its answer can be sent.
#[tokio::test]
async fn a_client_that_does_not_read_holds_nothing_up() {
    let configure = |options: &mut Options| {
        options.limits.operations = 1;
        options.socket.send_timeout = Duration::from_secs(3600);
    };
    let server = Server::start_with(configure, DEFAULT_STOP).await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("held", "mutation { hold }").await;
    toy::take(&server.toy.holding).await;
    socket.subscribe("big", "subscription { big }").await;
    while server.toy.made.load(Ordering::SeqCst) < 17 {
        tokio::task::yield_now().await;
    }
    server
        .query(JSON, "{ sum }")
        .await
        .assert_refused(503, "OVERLOADED");
    server.toy.release.add_permits(1);
    let answered = async {
        while server.query(JSON, "{ sum }").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, answered)
        .await
        .expect("the operation goes on");
    // Whatever time passes, what is made for it and not read does not grow.
    for _ in 0..100 {
        assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
        let made = server.toy.made.load(Ordering::SeqCst);
        assert!(made < 1000, "{made} events were made");
    }
}
