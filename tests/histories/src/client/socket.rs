//! An operation over a WebSocket, by graphql-transport-ws.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{
    operation::Operation,
    tokens::{Answered, Tokens},
};

/// One socket, which is opened again when it is gone, or another server is wanted.
#[derive(Default)]
pub struct Socket {
    open: Option<(SocketAddr, Stream)>,
    /// Each operation of a socket has an id of its own.
    last: u64,
}

impl Socket {
    /// Sends an operation, and takes note of the token.
    pub async fn send(
        &mut self,
        address: SocketAddr,
        operation: &Operation,
        tokens: &Tokens,
        patience: Duration,
    ) -> Answered {
        self.last += 1;
        let id = self.last.to_string();
        let mut shown = None;
        let answered = async {
            let mut stream = match self.open.take() {
                Some((at, stream)) if at == address => stream,
                _ => Stream::open(address).await.ok_or("not connected")?,
            };
            shown = tokens.newest();
            let mut payload = operation.body_with_extensions();
            if let Some(token) = &shown {
                payload["extensions"]["consistency"] = json!(token);
            }
            stream
                .send(&json!({ "type": "subscribe", "id": id, "payload": payload }))
                .await
                .ok_or("connection lost")?;
            let mut answer = None;
            loop {
                let mut message = stream.message().await.ok_or("connection lost")?;
                if message["id"] != json!(id) {
                    continue;
                }
                match message["type"].as_str() {
                    Some("next") => answer = Some(message["payload"].take()),
                    // Refused before it ran: an array of errors.
                    Some("error") => {
                        answer = Some(json!({ "errors": message["payload"].take() }));
                        break;
                    }
                    Some("complete") => break,
                    _ => {}
                }
            }
            self.open = Some((address, stream));
            answer.ok_or_else(|| "completed without an answer".to_owned())
        };
        let answered = timeout(patience, answered).await;
        let answer = answered.unwrap_or_else(|_| Err("timeout".to_owned()));
        let told = answer.as_ref().ok().and_then(|answer: &Value| {
            let told = answer["extensions"]["consistency"].as_str();
            tokens.see(shown.as_deref(), told, answer);
            told.map(str::to_owned)
        });
        Answered {
            answer,
            shown,
            told,
        }
    }
}

/// A connected socket that has been acknowledged.
pub struct Stream(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Stream {
    /// `None` where nobody is there.
    pub async fn open(address: SocketAddr) -> Option<Self> {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .ok()?;
        let protocol = "graphql-transport-ws".parse().ok()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await.ok()?;
        let mut stream = Self(socket);
        stream.send(&json!({ "type": "connection_init" })).await?;
        let message = stream.message().await?;
        (message["type"] == "connection_ack").then_some(stream)
    }

    pub async fn send(&mut self, message: &Value) -> Option<()> {
        self.0.send(Message::text(message.to_string())).await.ok()
    }

    /// The next message; `None` when the socket is gone.
    pub async fn message(&mut self) -> Option<Value> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                // The server's pings are no messages, and are answered below.
                _ => {}
            }
        }
    }
}
