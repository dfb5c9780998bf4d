//! WebSockets: messages, and the frames that they come in.

use daybook_test_harness::Engine;
use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, timeout},
};

use crate::{answer, stand};

const HANDSHAKE: &str = "GET /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n";

/// What the last ping has in it: when it comes back, the server has read what came before it.
const LAST: &[u8] = b"the last ping";

/// How long the answer to the last ping is waited for: it never comes where the frame before it has no end.
const SILENCE: Duration = Duration::from_millis(20);

/// A frame a line: its first letter says which it is, the rest is its payload. A capital letter is a frame that others continue.
///
/// `t` text, `b` binary, `c` continuation, `p` ping, `o` pong, `x` close, `r` bytes as they are.
fn frames(input: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        let Some((kind, payload)) = line.split_first() else {
            continue;
        };
        let is_last = kind.is_ascii_lowercase();
        match kind.to_ascii_lowercase() {
            b't' => frame(&mut bytes, 1, is_last, payload),
            b'b' => frame(&mut bytes, 2, is_last, payload),
            b'c' => frame(&mut bytes, 0, is_last, payload),
            b'x' => frame(&mut bytes, 8, is_last, payload),
            b'p' => frame(&mut bytes, 9, is_last, payload),
            b'o' => frame(&mut bytes, 10, is_last, payload),
            b'r' => bytes.extend_from_slice(payload),
            _ => {}
        }
    }
    frame(&mut bytes, 9, true, LAST);
    bytes
}

/// Appends a frame of a client's, whose mask is nought.
fn frame(bytes: &mut Vec<u8>, kind: u8, is_last: bool, payload: &[u8]) {
    bytes.push(if is_last { 0x80 | kind } else { kind });
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
}

pub(super) fn run(input: &[u8]) {
    let bytes = frames(input);
    stand::on(Engine::Sqlite, |stand| {
        let address = stand.address();
        let answer = stand.block_on(async {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(HANDSHAKE.as_bytes()).await.unwrap();
            // The server may close before it has read everything.
            let _ = connection.write_all(&bytes).await;
            let mut answer = Vec::new();
            let _ = timeout(SILENCE, async {
                while !answer.ends_with(LAST) {
                    if connection.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
            })
            .await;
            let _ = connection.shutdown().await;
            let _ = connection.read_to_end(&mut answer).await;
            answer
        });
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let head = head.expect("no answer to the handshake") + 4;
        assert!(
            answer.starts_with(b"HTTP/1.1 101"),
            "{}",
            answer.escape_ascii()
        );
        check(&answer[head..]);
    });
}

/// Reads what the server has sent: whole frames, which are not fragments, with messages of the protocol in them.
fn check(mut bytes: &[u8]) {
    while let [first, length, rest @ ..] = bytes {
        assert_eq!(first & 0xf0, 0x80, "a fragment: {}", bytes.escape_ascii());
        let (length, rest) = match length {
            126 => (
                usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                &rest[2..],
            ),
            127 => {
                let length: [u8; 8] = rest[..8].try_into().unwrap();
                (
                    usize::try_from(u64::from_be_bytes(length)).unwrap(),
                    &rest[8..],
                )
            }
            length => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        match first & 0x0f {
            1 => message(payload),
            8 => {
                let [high, low, reason @ ..] = payload else {
                    assert!(payload.is_empty());
                    continue;
                };
                let code = u16::from_be_bytes([*high, *low]);
                assert_ne!(code, 1011, "{}", reason.escape_ascii());
                assert!(std::str::from_utf8(reason).is_ok());
            }
            9 | 10 => {}
            kind => panic!("a frame of kind {kind}"),
        }
    }
}

fn message(payload: &[u8]) {
    let message: Json = serde_json::from_slice(payload).unwrap();
    match message["type"].as_str() {
        Some("connection_ack" | "pong" | "complete") => {}
        Some("next") => answer::check_response(&message["payload"]),
        Some("error") => answer::check_errors(message["payload"].as_array().unwrap()),
        other => panic!("a message of type {other:?}"),
    }
}
