//! What is spoken inside TLS.

use axum::{
    body::Body,
    http::{Request, Version},
};
use futures_util::{SinkExt, StreamExt};
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::Role},
};

use super::{Pair, TYPE, address, https, post, tls};
use crate::http::sockets::PROTOCOL;

#[tokio::test]
async fn every_transport_speaks_tls() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let base = server.base();
    assert!(base.starts_with("https://"), "{base}");
    let data = json!({ "data": { "__typename": "Query" } });

    let (version, text) = post(&https(pair.client()), base, "*/*", TYPE).await;
    assert_eq!(version, Version::HTTP_2);
    assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), data);

    let (_, events) = post(&https(pair.client()), base, "text/event-stream", TYPE).await;
    assert_eq!(
        events.lines().next().map(str::trim),
        Some("event: next"),
        "{events}"
    );

    let stream = tls(address(&server), pair.client()).await;
    let url = format!("wss://{}/graphql", address(&server));
    let mut request = url.into_client_request().unwrap();
    for (name, value) in [PROTOCOL, ("origin", base)] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let socket = tokio_tungstenite::client_async(request, stream).await;
    ask(socket.unwrap().0, TYPE, &data).await;
}

/// As browsers do where a page came by HTTP/2 (RFC 8441).
#[tokio::test]
async fn a_socket_can_be_a_stream_of_http_2() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let mut config = pair.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TokioIo::new(tls(address(&server), config).await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::connect(format!("{}/graphql", server.base()))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header(PROTOCOL.0, PROTOCOL.1)
        .header("origin", server.base());
    // A first answer: by then the server's settings are known, and allow this.
    let first = Request::get(format!("{}/healthz", server.base()));
    let first = sender.send_request(first.body(Body::empty()).unwrap());
    first.await.unwrap();
    let response = sender.send_request(request.body(Body::empty()).unwrap());
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    let data = json!({ "data": { "__typename": "Query" } });
    ask(socket, TYPE, &data).await;
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    query: &str,
    data: &Json,
) {
    for (message, answer) in [
        (
            json!({ "type": "connection_init" }),
            json!({ "type": "connection_ack" }),
        ),
        (
            json!({ "type": "subscribe", "id": "1", "payload": { "query": query } }),
            json!({ "type": "next", "id": "1", "payload": data }),
        ),
    ] {
        let message = Message::text(message.to_string());
        socket.send(message).await.unwrap();
        let answered = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert_eq!(serde_json::from_str::<Json>(&answered).unwrap(), answer);
    }
}

#[tokio::test]
async fn http_1_1_is_spoken_where_a_client_asks_for_it() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let mut config = pair.client();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = tls(address(&server), config).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn plain_http_is_told_that_the_port_speaks_tls() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let url = server.base().replacen("https://", "http://", 1);
    // Longer than what is read with the first byte.
    let response = reqwest::Client::new()
        .post(format!("{url}/graphql"))
        .body("x".repeat(20_000))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.text().await.unwrap(),
        "this port speaks TLS: ask by https://\n"
    );
}
