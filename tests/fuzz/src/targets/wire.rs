//! Bytes on a connection, HTTP or not.

use daybook_test_harness::Engine;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::stand;

pub(super) fn run(input: &[u8]) {
    stand::on(Engine::Sqlite, |stand| {
        let address = stand.address();
        let answer = stand.block_on(async {
            let mut connection = TcpStream::connect(address).await.unwrap();
            // The server may close before it has read everything.
            let _ = connection.write_all(input).await;
            let _ = connection.shutdown().await;
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer).await;
            answer
        });
        // HTTP/2 begins with its settings, HTTP/1 with a status.
        if answer.starts_with(b"HTTP/1.") {
            assert_ne!(
                answer.get(9..12),
                Some(&b"500"[..]),
                "{}",
                answer.escape_ascii()
            );
        }
    });
}
