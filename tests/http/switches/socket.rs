//! Switches of a WebSocket.

use serde_json::json;

use crate::http::{
    Server,
    sockets::{PROTOCOL, Socket},
};

/// A browser has no headers for a WebSocket: `connection_init` has them.
#[tokio::test]
async fn a_socket_has_switches_of_its_own() {
    let server = Server::start().await;
    let told = json!({ "query": "{ isDryRun told }" });
    let told = async |socket: &mut Socket| {
        socket.subscribe_with("1", &told).await;
        let data = socket.next().await["payload"]["data"].take();
        assert_eq!(socket.next().await["type"], "complete");
        data
    };
    for (header, payload) in [
        (&[PROTOCOL, ("x-dry-run", "true")][..], json!({})),
        (
            &[PROTOCOL],
            json!({ "x-dry-run": "true", "X-Unit-Of-Work": "off", "other": 1 }),
        ),
        (
            &[PROTOCOL, ("x-dry-run", "false")],
            json!({ "x-dry-run": "true" }),
        ),
    ] {
        let mut socket = Socket::try_connect(&server, header).await.unwrap();
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        assert_eq!(
            told(&mut socket).await,
            json!({ "isDryRun": true, "told": "Off" })
        );
    }
    for header in [
        ("x-dry-run", "1"),
        ("x-batch", "each"),
        ("x-timeout", ""),
        ("x-dryrun", "true"),
        ("idempotency-key", "\"a\""),
    ] {
        assert!(
            Socket::try_connect(&server, &[PROTOCOL, header])
                .await
                .is_err(),
            "{header:?}"
        );
    }
    for payload in [
        json!({ "x-dry-run": true }),
        json!({ "x-dry-run": "1" }),
        json!({ "x-dry-run": "true", "X-Dry-Run": "false" }),
        json!({ "dryRun": true }),
        json!({ "x-batch": "all-or-nothing" }),
        json!({ "idempotency-key": "\"a\"" }),
        json!({ "headers": { "x-dry-run": "true" } }),
    ] {
        let mut socket = Socket::connect(&server).await;
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(socket.closed().await, 4400, "{payload}");
    }
}
