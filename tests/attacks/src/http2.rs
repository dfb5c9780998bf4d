//! As much of HTTP/2 as it takes to ask, and to leave the answers unread.

use anyhow::Result;
use tokio::{io::AsyncWriteExt, net::TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose every stream has a window of zero.
pub async fn connect_without_window(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    // SETTINGS_INITIAL_WINDOW_SIZE is 4.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    stream.write_all(&[PREFACE, &settings].concat()).await?;
    Ok(stream)
}

/// A GET of this path, on the n-th stream.
pub fn get(n: u32, path: &str) -> Vec<u8> {
    // GET and http, from the static table of HPACK.
    let mut block = vec![0x82, 0x86];
    literal(&mut block, 4, path);
    literal(&mut block, 1, "localhost");
    // END_STREAM and END_HEADERS.
    frame(1, 0x5, 2 * n + 1, &block)
}

/// A field whose name is in the static table, not indexed.
fn literal(block: &mut Vec<u8>, name: u8, value: &str) {
    block.push(name);
    match value.len() {
        length @ 0..=126 => block.push(length.to_le_bytes()[0]),
        length => {
            block.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                block.push(rest.to_le_bytes()[0] | 0x80);
                rest /= 128;
            }
            block.push(rest.to_le_bytes()[0]);
        }
    }
    block.extend_from_slice(value.as_bytes());
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
