//! As much of WebSockets as it takes to speak, and to leave the answers unread.

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A socket that is ready for operations.
pub async fn open(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let handshake = "GET /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        sec-websocket-protocol: graphql-transport-ws\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    ensure!(answer.ends_with(b"101"), "no socket");
    stream
        .write_all(&text(r#"{"type":"connection_init"}"#))
        .await?;
    Ok(stream)
}

/// A text message.
pub fn text(text: &str) -> Vec<u8> {
    frame(1, text.as_bytes())
}

/// A ping of the protocol itself, beneath the messages.
pub fn ping() -> Vec<u8> {
    frame(9, &[b'x'; 125])
}

/// A piece of a message, with nothing in it and more to come.
pub fn empty_fragment() -> Vec<u8> {
    vec![0, 0x80, 0, 0, 0, 0]
}

/// The beginning of a message that goes on.
pub fn first_fragment() -> Vec<u8> {
    vec![1, 0x81, 0, 0, 0, 0, b' ']
}

/// An operation with this id.
pub fn subscribe(id: &str, query: &str) -> Vec<u8> {
    let payload = serde_json::json!({ "query": query });
    let message = serde_json::json!({ "type": "subscribe", "id": id, "payload": payload });
    text(&message.to_string())
}

/// A frame, masked with zeros, which change nothing.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length.to_le_bytes()[0]),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&u64::try_from(length).unwrap_or(0).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
