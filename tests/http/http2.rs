//! Hostile or absent HTTP/2 clients.

use std::time::Duration;

use daybook::http::Options;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{DEFAULT_STOP, JSON, PATIENCE, Server};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// The code of an error (RFC 9113, section 7): the peer does too much of something.
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `GET http://localhost/healthz`, in HPACK without a table.
fn get(stream: u32) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 4, 8];
    block.extend_from_slice(b"/healthz");
    block.extend_from_slice(&[1, 9]);
    block.extend_from_slice(b"localhost");
    frame(HEADERS, 0x5, stream, &block)
}

async fn connect(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream
        .write_all(&[PREFACE, &settings].concat())
        .await
        .unwrap();
    stream
}

/// The kind, the flags and the payload of the next frame; `None` once the connection is closed.
async fn next(stream: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    let read = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], payload))
    };
    timeout(PATIENCE, read).await.expect("it stays open")
}

/// The error with which the server ends the connection.
async fn end(stream: &mut TcpStream) -> Option<u32> {
    let mut error = None;
    while let Some((kind, _, payload)) = next(stream).await {
        if kind == GOAWAY {
            error = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    error
}

/// Here, only missing pings can end a connection.
async fn pinging() -> Server {
    let configure = |options: &mut Options| {
        options.connections.ping_interval = Duration::from_millis(50);
        options.connections.header_timeout = Duration::from_secs(3600);
        options.connections.idle_timeout = Duration::from_secs(3600);
    };
    Server::start_with(configure, DEFAULT_STOP).await
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_closed() {
    let server = pinging().await;
    let mut stream = connect(&server).await;
    let mut pings = 0;
    while let Some((kind, flags, _)) = next(&mut stream).await {
        pings += i32::from(kind == PING && flags == 0);
    }
    assert_eq!(pings, 1);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let server = pinging().await;
    let mut stream = connect(&server).await;
    let mut pings = 0;
    while pings < 5 {
        let (kind, flags, payload) = next(&mut stream).await.expect("it is closed");
        if kind == PING && flags == 0 {
            pings += 1;
            stream
                .write_all(&frame(PING, 1, 0, &payload))
                .await
                .unwrap();
        }
    }
    stream.write_all(&get(1)).await.unwrap();
    while next(&mut stream).await.expect("it is closed").0 != HEADERS {}
}

/// CVE-2023-44487: requests that are taken back as soon as they are sent.
#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    let cancel = 8_u32.to_be_bytes();
    let flood: Vec<u8> = (0..1000)
        .flat_map(|n| [get(2 * n + 1), frame(RST_STREAM, 0, 2 * n + 1, &cancel)].concat())
        .collect();
    // It may be closed by then.
    let _ = stream.write_all(&flood).await;
    assert_eq!(end(&mut stream).await, Some(ENHANCE_YOUR_CALM));
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

/// CVE-2025-8671: the server is made to reset its streams, by a window that grows beyond what a window may be.
#[tokio::test]
async fn streams_that_the_server_is_made_to_reset_end_the_connection() {
    let server = Server::start().await;
    let mut stream = connect(&server).await;
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let flood: Vec<u8> = (0..2000)
        .flat_map(|n| [get(2 * n + 1), frame(WINDOW_UPDATE, 0, 2 * n + 1, &most)].concat())
        .collect();
    let _ = stream.write_all(&flood).await;
    assert_eq!(end(&mut stream).await, Some(ENHANCE_YOUR_CALM));
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

/// Frames that ask for nothing are answered slowly after the first megabytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_without_end_are_answered_slowly() {
    let server = Server::start().await;
    let (mut read, mut write) = connect(&server).await.into_split();
    let flood = tokio::spawn(async move {
        let pings = frame(PING, 0, 0, &[1; 8]).repeat(1000);
        while write.write_all(&pings).await.is_ok() {}
    });
    let mut answered = 0;
    let count = async {
        let mut answers = vec![0; 64 * 1024];
        loop {
            match read.read(&mut answers).await.unwrap() {
                0 => panic!("it closed the connection"),
                length => answered += length,
            }
        }
    };
    assert!(timeout(Duration::from_secs(4), count).await.is_err());
    flood.abort();
    assert!((1..3_000_000).contains(&answered), "{answered}");
}
