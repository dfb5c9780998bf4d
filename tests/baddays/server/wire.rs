//! What a test reads from a connection of its own, and from a stream of events.

use std::time::Duration;

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A connection on which one request follows the other.
pub(in crate::baddays) struct Wire(tokio::net::TcpStream);

impl Wire {
    pub(super) async fn connect(address: &str) -> Self {
        Self(tokio::net::TcpStream::connect(address).await.unwrap())
    }

    /// The answer to a GET; empty where the connection is closed.
    pub(in crate::baddays) async fn ask(&mut self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let mut answer = vec![0; 4096];
        let length = match self.0.write_all(request.as_bytes()).await {
            Ok(()) => self.0.read(&mut answer).await.unwrap_or(0),
            Err(_) => 0,
        };
        String::from_utf8(answer[..length].to_vec()).unwrap()
    }
}

/// A stream of server-sent events.
pub(in crate::baddays) struct Events {
    response: reqwest::Response,
    rest: String,
}

impl Events {
    pub(super) fn of(response: reqwest::Response) -> Self {
        Self {
            response,
            rest: String::new(),
        }
    }

    /// Waits until the server ends it.
    pub(in crate::baddays) async fn end(mut self) {
        let end = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        let end = tokio::time::timeout(PATIENCE / 2, end).await;
        end.expect("the stream goes on");
    }

    /// The data of the next event.
    pub(in crate::baddays) async fn next(&mut self) -> String {
        loop {
            while let Some((event, rest)) = self.rest.split_once("\n\n") {
                let event = event.to_owned();
                self.rest = rest.to_owned();
                if let Some((_, data)) =
                    event.split_once("data:").filter(|(_, data)| data.len() > 2)
                {
                    return data.to_owned();
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk
                .expect("no event comes")
                .unwrap()
                .expect("the stream has ended");
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
