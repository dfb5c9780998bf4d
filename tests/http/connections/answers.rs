//! Answers that clients do not read, and how long they can be made.

use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};

use super::{SOON, connect, serve};
use crate::http::{Answer, JSON, PATIENCE, Server, sockets::Socket, toy};

/// A window of zero, and answers that are asked for again and again.
#[tokio::test]
async fn answers_that_are_not_read_end_the_connection() {
    let server = serve(|options| {
        options.write_timeout = SOON;
        options.held_per_connection = 100_000;
    })
    .await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(0);
    let (mut sender, connection) = builder.handshake(TokioIo::new(tcp)).await.unwrap();
    let connection = tokio::spawn(connection);
    let body = json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(60_000) } }).to_string();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let request = axum::http::Request::post(format!("http://{}/graphql", server.address))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.clone()))
            .unwrap();
        let Ok(response) = sender.send_request(request).await else {
            break;
        };
        statuses.push(response.status().as_u16());
        // It is not read, and the client keeps the connection.
        std::mem::forget(response.into_body());
    }
    assert_eq!(statuses[..2], [200, 200], "{statuses:?}");
    assert!(!statuses[2..].contains(&200), "{statuses:?}");
    let _ = timeout(PATIENCE, connection).await.expect("it stays open");
}

/// The same where the client has the window, and reads nothing of its socket.
#[tokio::test]
async fn a_stream_of_events_that_is_not_read_is_ended() {
    let server = serve(|options| options.write_timeout = SOON).await;
    let _stream = connect(&server, b"GET /graphql?query=subscription{big} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await;
    toy::take(&server.toy.closed).await;
}

#[tokio::test]
async fn answers_that_are_read_arrive_whole() {
    let server = Server::start().await;
    let long = "ü".repeat(200_000);
    let body =
        json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": long } });
    for encoding in ["identity", "gzip"] {
        let answer = server
            .post(JSON, &body)
            .header("accept-encoding", encoding)
            .send()
            .await
            .unwrap();
        let is_packed = answer.headers().contains_key("content-encoding");
        let bytes = answer.bytes().await.unwrap();
        if is_packed {
            assert!(bytes.len() < 10_000);
        } else {
            let data: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(data["data"]["hello"], format!("hello {long}"));
        }
    }
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = axum::http::Request::post(format!("http://{}/graphql", server.address))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let bytes = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(
        bytes.len(),
        json!({ "data": { "hello": format!("hello {long}") } })
            .to_string()
            .len()
    );
}

/// What the client names things is in every answer.
#[tokio::test]
async fn names_and_pings_have_a_length() {
    let server = Server::start().await;
    for message in [
        json!({ "type": "subscribe", "id": "x".repeat(1025), "payload": { "query": "{ sum }" } }),
        json!({ "type": "complete", "id": "x".repeat(1025) }),
        json!({ "type": "ping", "payload": { "x": "x".repeat(4096) } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ sum }", "operationName": "x".repeat(1025) } }),
    ] {
        let mut socket = Socket::open(&server).await;
        socket.send(message.clone()).await;
        assert_eq!(socket.closed().await, 4400, "{}", message["type"]);
    }
    let mut socket = Socket::open(&server).await;
    socket.subscribe(&"x".repeat(1024), "{ sum }").await;
    assert_eq!(socket.next().await["payload"]["data"]["sum"], 0);
    let body = json!({ "query": "{ sum }", "operationName": "x".repeat(1025) });
    Answer::of(server.post(JSON, &body))
        .await
        .assert_refused(400, "BAD_REQUEST");
}

#[tokio::test]
async fn answers_do_not_repeat_what_is_long() {
    let server = Server::start().await;
    let long = "x".repeat(300_000);
    for body in [
        json!({ "query": format!("{{ {long} }}") }),
        json!({ "query": format!("{{ hello(name: \"{long}) }}") }),
        json!({ "query": format!("query {long} {{ nothing }}") }),
        json!({ "query": "{ sum }", "operationName": "x".repeat(1024) }),
    ] {
        let answer = Answer::of(server.post(JSON, &body)).await;
        assert!(answer.json()["errors"][0]["message"].is_string());
        assert!(answer.text.len() < 10_000, "{} bytes", answer.text.len());
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", &body).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error");
        assert!(message.to_string().len() < 10_000);
    }
}
