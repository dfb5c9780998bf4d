//! As much of HTTP/2 as it takes to ask, and to leave the answers unread or to read them without understanding.

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose every stream has a window of zero.
pub async fn connect_without_window(address: &str) -> Result<TcpStream> {
    // SETTINGS_INITIAL_WINDOW_SIZE is 4.
    connect(address, &[0, 4, 0, 0, 0, 0]).await
}

/// A connection with these settings.
pub async fn connect(address: &str, settings: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let settings = frame(4, 0, 0, settings);
    stream.write_all(&[PREFACE, &settings].concat()).await?;
    Ok(stream)
}

/// Reads whatever comes, and says each time that there is room for as much again.
pub async fn read_on(mut stream: TcpStream) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = u32::try_from(read).unwrap_or(0).to_be_bytes();
        if stream.write_all(&frame(8, 0, 0, &room)).await.is_err() {
            return;
        }
    }
}

pub fn ping() -> Vec<u8> {
    frame(6, 0, 0, &[0; 8])
}

/// A GET of this path, on the n-th stream.
pub fn get(n: u32, path: &str, accept: &str) -> Vec<u8> {
    // GET and http, from the static table of HPACK.
    let mut block = vec![0x82, 0x86];
    literal(&mut block, 4, path);
    literal(&mut block, 1, "localhost");
    literal(&mut block, 19, accept);
    // END_STREAM and END_HEADERS.
    frame(1, 0x5, 2 * n + 1, &block)
}

/// A field whose name is in the static table, not indexed.
fn literal(block: &mut Vec<u8>, name: usize, value: &str) {
    number(block, 15, name);
    number(block, 127, value.len());
    block.extend_from_slice(value.as_bytes());
}

/// A number of HPACK, whose first byte has room for so much.
fn number(block: &mut Vec<u8>, room: usize, number: usize) {
    block.push(number.min(room).to_le_bytes()[0]);
    let Some(mut rest) = number.checked_sub(room) else {
        return;
    };
    while rest >= 128 {
        block.push(rest.to_le_bytes()[0] | 0x80);
        rest /= 128;
    }
    block.push(rest.to_le_bytes()[0]);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
