//! The time-outs of connections, and their age.

use tokio::io::AsyncWriteExt;

use super::{READY, SOON, answered, closed, connect, head, serve};
use crate::http::{JSON, Server, sockets::Socket, toy};

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let server = serve(|options| options.header_timeout = SOON).await;
    for begun in [
        &b""[..],
        b"P",
        b"GET /readyz HTTP/1.1\r\nhost: loc",
        b"PRI * HTTP/2.0\r\n",
    ] {
        let mut connection = connect(&server, begun).await;
        assert_eq!(closed(&mut connection).await, "", "{begun:?}");
    }
    // Also those of a second request.
    let mut connection = connect(&server, READY).await;
    assert!(answered(&mut connection).await.starts_with("HTTP/1.1 200"));
    connection.write_all(b"P").await.unwrap();
    closed(&mut connection).await;
    // Between requests there is no hurry.
    let mut idle = connect(&server, READY).await;
    assert!(answered(&mut idle).await.starts_with("HTTP/1.1 200"));
    let mut silent = connect(&server, b"").await;
    closed(&mut silent).await;
    idle.write_all(READY).await.unwrap();
    assert!(answered(&mut idle).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn headers_have_a_limit() {
    let server = Server::start().await;
    let long = format!(
        "GET /readyz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    let mut connection = connect(&server, long.as_bytes()).await;
    assert!(answered(&mut connection).await.starts_with("HTTP/1.1 431"));
    let fits = format!(
        "GET /readyz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let mut connection = connect(&server, fits.as_bytes()).await;
    assert!(answered(&mut connection).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = serve(|options| options.body_timeout = SOON).await;
    for (head, begun) in [
        (head(1000), "{\"query\":"),
        (head(1000), ""),
        (b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), "9\r\n{\"query\":\r\n"),
    ] {
        let mut connection = connect(&server, &head).await;
        connection.write_all(begun.as_bytes()).await.unwrap();
        let said = closed(&mut connection).await;
        assert!(said.starts_with("HTTP/1.1 408") && said.contains("the body takes too long to arrive"), "{said}");
    }
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_that_is_served_is_not() {
    let server = serve(|options| options.idle_timeout = SOON).await;
    let mut socket = Socket::open(&server).await;
    let stream = connect(&server, b"GET /graphql?query=subscription{forever} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await;
    let held = server.held("mutation { hold }").await;
    for _ in 0..3 {
        let mut idle = connect(&server, READY).await;
        let said = closed(&mut idle).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
    socket.subscribe("1", "{ sum }").await;
    assert_eq!(socket.next().await["payload"]["data"]["sum"], 0);
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
    assert_eq!(
        server.toy.closed.available_permits(),
        0,
        "the stream was closed"
    );
    drop(stream);
    toy::take(&server.toy.closed).await;
}

#[tokio::test]
async fn a_connection_takes_no_new_requests_when_it_is_old() {
    let server = serve(|options| options.lifetime = SOON).await;
    let held = server.held("mutation { hold }").await;
    let mut other = connect(&server, READY).await;
    assert!(answered(&mut other).await.starts_with("HTTP/1.1 200"));
    closed(&mut other).await;
    // What is under way is finished.
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
}
