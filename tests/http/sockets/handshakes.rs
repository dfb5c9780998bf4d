//! Access to sockets.

use serde_json::json;
use tokio_tungstenite::tungstenite;

use super::{PROTOCOL, Socket};
use crate::http::Server;

#[tokio::test]
async fn no_known_subprotocol_is_4406() {
    let server = Server::start().await;
    let headers: [&[_]; 2] = [&[], &[("sec-websocket-protocol", "graphql-ws")]];
    for headers in headers {
        match Socket::try_connect(&server, headers).await {
            Ok(mut socket) => assert_eq!(socket.closed().await, 4406),
            // This client does not go on when what it offered was not taken up, as RFC 6455 allows.
            Err(error) => assert!(
                matches!(error, tungstenite::Error::Protocol(_)) && !headers.is_empty(),
                "{error}"
            ),
        }
    }
    let both = [("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")];
    let mut socket = Socket::try_connect(&server, &both).await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_connect() {
    let server = Server::start().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "file://",
    ] {
        let refused = Socket::try_connect(&server, &[PROTOCOL, ("origin", origin)]).await;
        match refused.err() {
            Some(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("{origin}: {other:?}"),
        }
    }
    let own = format!("http://{}", server.address);
    assert!(
        Socket::try_connect(&server, &[PROTOCOL, ("origin", &own)])
            .await
            .is_ok()
    );
}

/// The key would name one operation, and a socket has many.
#[tokio::test]
async fn an_idempotency_key_in_the_header_of_a_socket_is_refused() {
    let server = Server::start().await;
    let refused = Socket::try_connect(&server, &[PROTOCOL, ("idempotency-key", "k")]).await;
    match refused.err() {
        Some(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
}
