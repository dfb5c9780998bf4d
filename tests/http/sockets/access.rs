//! Tokens of sockets, and of streams, which outlive them.

use std::time::SystemTime;

use daybook::http::READ;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use super::{PROTOCOL, Socket};
use crate::http::{
    PATIENCE, Server,
    access::{ADD, guarded, sign},
    jwt::claims,
    toy,
};

async fn init(server: &Server, headers: &[(&'static str, &str)], payload: Json) -> Socket {
    let headers = [&[PROTOCOL], headers].concat();
    let mut socket = Socket::try_connect(server, &headers).await.unwrap();
    socket
        .send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    socket
}

#[tokio::test]
async fn a_socket_shows_its_token_when_it_is_opened_or_initialised() {
    let server = guarded().await;
    let token = sign(&claims(READ));
    let bearer = format!("Bearer {token}");
    for (headers, payload) in [
        (&[][..], json!({ "authorization": bearer })),
        (&[], json!({ "Authorization": bearer })),
        (&[], json!({ "token": token })),
        (&[("authorization", bearer.as_str())], Json::Null),
    ] {
        let mut socket = init(&server, headers, payload).await;
        assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
        socket.subscribe("1", "{ viewer }").await;
        assert_eq!(socket.next().await["payload"]["data"]["viewer"], "ann");
        assert_eq!(socket.next().await["type"], "complete");
        socket.subscribe("2", ADD).await;
        let message = socket.next().await;
        assert_eq!(
            message["payload"][0]["extensions"]["code"], "FORBIDDEN",
            "{message}"
        );
    }
    for payload in [
        Json::Null,
        json!({}),
        json!({ "token": "x" }),
        json!({ "authorization": token }),
        json!({ "token": 1 }),
    ] {
        let mut socket = init(&server, &[], payload).await;
        assert_eq!(socket.closed().await, 4403);
    }
    // What is said last counts.
    let mut socket = init(
        &server,
        &[("authorization", &bearer)],
        json!({ "token": "x" }),
    )
    .await;
    assert_eq!(socket.closed().await, 4403);
    let refused = Socket::try_connect(&server, &[PROTOCOL, ("authorization", "Bearer x")]).await;
    match refused.err() {
        Some(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), 401);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.toy.sum(), 0);
}

/// It has a few seconds of leeway left, in which it is still taken.
#[tokio::test]
async fn a_token_that_expires_ends_what_is_open() {
    let server = guarded().await;
    let mut claims = claims(READ);
    // To the fraction: a whole second may be over in a moment. Five seconds of difference between clocks are allowed.
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    claims["exp"] = json!(now - 3.0);
    let token = sign(&claims);
    let mut socket = init(&server, &[], json!({ "token": token })).await;
    assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
    socket.subscribe("1", "subscription { forever }").await;
    assert_eq!(socket.next().await["payload"]["data"]["forever"], 1);
    let events = server.post(
        "text/event-stream",
        &json!({ "query": "subscription { forever }" }),
    );
    let mut events = events.bearer_auth(&token).send().await.unwrap();
    assert!(events.chunk().await.unwrap().is_some());

    assert_eq!(socket.closed().await, 4403);
    let end = timeout(PATIENCE, events.chunk())
        .await
        .expect("the stream goes on");
    assert_eq!(end.unwrap(), None);
    for _ in 0..2 {
        toy::take(&server.toy.closed).await;
    }
}
