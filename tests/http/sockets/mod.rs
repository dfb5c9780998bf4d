//! GraphQL over WebSocket, and a client of it.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use super::{PATIENCE, Server};

mod access;
mod closes;
mod handshakes;
mod operations;
mod peers;

/// What a client says that it speaks.
pub(super) const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn connect(server: &Server) -> Self {
        Self::try_connect(server, &[PROTOCOL]).await.unwrap()
    }

    pub(super) async fn try_connect(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        Self::try_connect_to(&server.address.to_string(), headers).await
    }

    /// Connects to a server by its host and port.
    pub(super) async fn try_connect_to(
        address: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| Self(socket))
    }

    /// A socket that is ready for operations.
    pub(super) async fn open(server: &Server) -> Self {
        let mut socket = Self::connect(server).await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub(super) async fn send(&mut self, message: Json) {
        self.send_text(&message.to_string()).await;
    }

    async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.subscribe_with(id, &json!({ "query": query })).await;
    }

    pub(super) async fn subscribe_with(&mut self, id: &str, payload: &Json) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn message(&mut self) -> Option<Message> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("no message");
            match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(super) async fn next(&mut self) -> Json {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} is no text"),
        }
    }

    pub(super) async fn closed(&mut self) -> u16 {
        // All of it within the time: the server's pings would begin it anew.
        match timeout(PATIENCE, self.message())
            .await
            .expect("it is not closed")
        {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("{other:?} is no close frame"),
        }
    }
}

fn next(id: &str, data: &Json) -> Json {
    json!({ "type": "next", "id": id, "payload": { "data": data } })
}

fn complete(id: &str) -> Json {
    json!({ "type": "complete", "id": id })
}
