//! Hostile or absent clients: each has limited time and memory, and the others are served.

mod answers;
mod origin;
mod time;

use std::time::Duration;

use daybook::http::{ConnectionOptions, Options};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, DEFAULT_STOP, JSON, PATIENCE, Server};

const SOON: Duration = Duration::from_millis(150);
const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn serve(configure: impl FnOnce(&mut ConnectionOptions)) -> Server {
    Server::start_with(
        |options: &mut Options| configure(&mut options.connections),
        DEFAULT_STOP,
    )
    .await
}

async fn connect(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    connection
}

/// Everything that the server sends until it closes the connection.
async fn closed(connection: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // If the server has not read everything that was sent, it is a reset.
    let _ = timeout(PATIENCE, connection.read_to_end(&mut said))
        .await
        .expect("it stays open");
    String::from_utf8_lossy(&said).into_owned()
}

/// Reads one answer without a body, or with a short one.
async fn answered(connection: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = timeout(PATIENCE, connection.read(&mut buffer))
        .await
        .expect("no answer")
        .unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

fn head(length: usize) -> Vec<u8> {
    format!("POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn who_is_idle_makes_room_for_who_comes() {
    let server = serve(|options| options.connections = 3).await;
    let held = server.held("mutation { hold }").await;
    let mut first = connect(&server, READY).await;
    assert!(answered(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = connect(&server, READY).await;
    assert!(answered(&mut second).await.starts_with("HTTP/1.1 200"));
    // The one that has been idle for longest goes.
    let mut third = connect(&server, READY).await;
    assert!(answered(&mut third).await.starts_with("HTTP/1.1 200"));
    closed(&mut first).await;
    second.write_all(READY).await.unwrap();
    assert!(answered(&mut second).await.starts_with("HTTP/1.1 200"));
    // Eighty silent connections lock nobody out.
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(connect(&server, b"").await);
    }
    assert!(
        answered(&mut connect(&server, READY).await)
            .await
            .starts_with("HTTP/1.1 200")
    );
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
}

#[tokio::test]
async fn who_is_served_does_not_go() {
    let server = serve(|options| options.per_address = 2).await;
    let held = [
        server.held("mutation { hold }").await,
        server.held("{ hold }").await,
    ];
    // Nothing is said to it.
    assert_eq!(closed(&mut connect(&server, READY).await).await, "");
    server.toy.release.add_permits(2);
    for held in held {
        assert_eq!(held.await.unwrap().status, 200);
    }
    assert!(
        answered(&mut connect(&server, READY).await)
            .await
            .starts_with("HTTP/1.1 200")
    );
}

/// Bodies are bounded together, not only each: the largest that is waited for makes room.
#[tokio::test]
async fn bodies_are_bounded_together() {
    let server = serve(|options| options.held_bytes = 1_000_000).await;
    let mut slow = Vec::new();
    for size in [300_000, 500_000, 100_000] {
        let mut connection = connect(&server, &head(600_000)).await;
        connection.write_all(&vec![b' '; size]).await.unwrap();
        slow.push(connection);
    }
    let filler = "x".repeat(400_000);
    let body = json!({ "query": "{ sum }", "filler": filler });
    // By now, or when the next piece of a body comes, there is too much of them.
    let answer = Answer::of(server.post(JSON, &body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    closed(&mut slow[1]).await;
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}
