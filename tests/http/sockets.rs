//! GraphQL over WebSocket: the protocol, its close codes, and operations that do not wait for each other.

use std::{sync::atomic::Ordering, time::Duration};

use daybook::http::Options;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use super::{DEFAULT_STOP, PATIENCE, Server, toy};

pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn connect(server: &Server) -> Self {
        Self::try_connect(
            server,
            &[("sec-websocket-protocol", "graphql-transport-ws")],
        )
        .await
        .unwrap()
    }

    pub(super) async fn try_connect(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{}/graphql", server.address)
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| Self(socket))
    }

    /// A socket that is ready for operations.
    pub(super) async fn open(server: &Server) -> Self {
        let mut socket = Self::connect(server).await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub(super) async fn send(&mut self, message: Json) {
        self.send_text(&message.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.subscribe_with(id, &json!({ "query": query })).await;
    }

    pub(super) async fn subscribe_with(&mut self, id: &str, payload: &Json) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn message(&mut self) -> Option<Message> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("no message");
            match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(super) async fn next(&mut self) -> Json {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} is no text"),
        }
    }

    pub(super) async fn closed(&mut self) -> u16 {
        // All of it within the time: the server's pings would begin it anew.
        match timeout(PATIENCE, self.message())
            .await
            .expect("it is not closed")
        {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("{other:?} is no close frame"),
        }
    }
}

fn next(id: &str, data: &Json) -> Json {
    json!({ "type": "next", "id": id, "payload": { "data": data } })
}

fn complete(id: &str) -> Json {
    json!({ "type": "complete", "id": id })
}

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
    socket.subscribe("slow", "{ hold }").await;
    toy::take(&server.toy.holding).await;
    socket.subscribe("fast", "{ sum }").await;
    assert_eq!(socket.next().await, next("fast", &json!({ "sum": 0 })));
    assert_eq!(socket.next().await, complete("fast"));
    server.toy.release.add_permits(1);
    assert_eq!(socket.next().await, next("slow", &json!({ "hold": true })));
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

#[tokio::test]
async fn a_page_of_another_origin_cannot_connect() {
    let server = Server::start().await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "file://",
    ] {
        let refused = Socket::try_connect(&server, &[protocol, ("origin", origin)]).await;
        match refused.err() {
            Some(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("{origin}: {other:?}"),
        }
    }
    let own = format!("http://{}", server.address);
    assert!(
        Socket::try_connect(&server, &[protocol, ("origin", &own)])
            .await
            .is_ok()
    );
}

/// The key would name one operation, and a socket has many.
#[tokio::test]
async fn an_idempotency_key_in_the_header_of_a_socket_is_refused() {
    let server = Server::start().await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let refused = Socket::try_connect(&server, &[protocol, ("idempotency-key", "k")]).await;
    match refused.err() {
        Some(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
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
        .query(super::JSON, "{ sum }")
        .await
        .assert_refused(503, "OVERLOADED");
    server.toy.release.add_permits(1);
    let answered = async {
        while server.query(super::JSON, "{ sum }").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, answered)
        .await
        .expect("the operation goes on");
}
