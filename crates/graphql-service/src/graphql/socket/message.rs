//! The messages of `graphql-transport-ws`, and the codes with which the server closes a socket.

use async_graphql::{Request, Response};
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::{
    answer::{wire::WireErrors, writing::json},
    request::read,
};

/// The most bytes of an operation's id, which is in each of its messages.
const LONGEST_ID: usize = 1024;

/// The most bytes of a ping.
const LONGEST_PING: usize = 4096;

/// What a client says.
#[derive(Debug)]
pub(super) enum ClientMessage {
    ConnectionInit { payload: Option<Map<String, Json>> },
    Ping { payload: Option<Map<String, Json>> },
    Pong,
    Subscribe { id: String, request: Box<Request> },
    Complete { id: String },
}

impl ClientMessage {
    /// Reads a text message; anything the protocol does not know closes the socket with 4400.
    pub(super) fn parse(text: &str) -> Result<Self, Close> {
        let Ok(Json::Object(mut message)) = serde_json::from_str(text) else {
            return Err(Close::bad_message("a message is a JSON object"));
        };
        let Some(Json::String(kind)) = message.remove("type") else {
            return Err(Close::bad_message("a message has a `type`"));
        };
        match kind.as_str() {
            "connection_init" => {
                payload(&mut message).map(|payload| Self::ConnectionInit { payload })
            }
            // Its payload is sent back.
            "ping" if text.len() > LONGEST_PING => Err(Close::bad_message("a ping is too long")),
            "ping" => payload(&mut message).map(|payload| Self::Ping { payload }),
            "pong" => payload(&mut message).map(|_| Self::Pong),
            "subscribe" => {
                let id = id(&mut message)?;
                let payload = message.remove("payload").unwrap_or_default();
                let request = read::from_json(payload)
                    .map_err(|refusal| Close::bad_message(refusal.message()))?;
                Ok(Self::Subscribe {
                    id,
                    request: Box::new(request),
                })
            }
            "complete" => id(&mut message).map(|id| Self::Complete { id }),
            _ => Err(Close::bad_message("unknown `type` of message")),
        }
    }
}

fn id(message: &mut Map<String, Json>) -> Result<String, Close> {
    match message.remove("id") {
        Some(Json::String(id)) if id.len() > LONGEST_ID => Err(Close::bad_message(
            "`id` is too long: it has at most 1024 bytes",
        )),
        Some(Json::String(id)) if !id.is_empty() => Ok(id),
        _ => Err(Close::bad_message("`id` is a string that is not empty")),
    }
}

fn payload(message: &mut Map<String, Json>) -> Result<Option<Map<String, Json>>, Close> {
    match message.remove("payload") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(payload)) => Ok(Some(payload)),
        Some(_) => Err(Close::bad_message("`payload` is an object")),
    }
}

/// What the server says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a Map<String, Json>>,
    },
    /// The operation never began. Ends it, in place of `complete`.
    Error {
        id: &'a str,
        payload: WireErrors<'a>,
    },
    Complete {
        id: &'a str,
    },
}

/// A response that was executed.
pub(super) async fn next(id: &str, response: Response) -> Message {
    next_of_text(id, &json(response).await)
}

impl ServerMessage<'_> {
    /// As a WebSocket message; 1011 where a resolver's value cannot be written as JSON.
    pub(super) fn to_message(&self) -> Message {
        match serde_json::to_string(self) {
            Ok(text) => Message::Text(text.into()),
            Err(error) => {
                tracing::error!(%error, "a response cannot be written as JSON");
                Close::new(1011, "Internal server error").into()
            }
        }
    }
}

/// `next` with a response whose text was written already.
pub(super) fn next_of_text(id: &str, text: &str) -> Message {
    // What `to_message` writes, around a text that is not parsed for that.
    let id = Json::from(id);
    Message::Text(format!(r#"{{"type":"next","id":{id},"payload":{text}}}"#).into())
}

/// The end of a socket: a code and a reason.
#[derive(Debug)]
pub(super) struct Close(CloseFrame);

impl Close {
    /// A control frame has room for 125 bytes, two of which are the code (RFC 6455, section 5.5).
    const MAX_REASON: usize = 123;

    fn new(code: u16, reason: &str) -> Self {
        let reason = &reason[..reason.floor_char_boundary(Self::MAX_REASON)];
        Self(CloseFrame {
            code,
            reason: reason.into(),
        })
    }

    pub(super) fn going_away() -> Self {
        Self::new(1001, "Going away")
    }

    /// There is no room for a message as large as this (IANA's registry of close codes).
    pub(super) fn try_again() -> Self {
        Self::new(1013, "Try again later")
    }

    /// Clients of graphql-ws do not send it again, as they would on a socket that is only lost.
    pub(super) fn too_big() -> Self {
        Self::new(1009, "Message too big")
    }

    pub(super) fn bad_message(reason: &str) -> Self {
        Self::new(4400, reason)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }

    /// Clients may try again as somebody else, unlike after 4401.
    pub(super) fn forbidden() -> Self {
        Self::new(4403, "Forbidden")
    }

    pub(super) fn expired() -> Self {
        Self::new(4403, "Token expired")
    }

    pub(super) fn subprotocol() -> Self {
        Self::new(4406, "Subprotocol not acceptable")
    }

    pub(super) fn init_timeout() -> Self {
        Self::new(4408, "Connection initialisation timeout")
    }

    pub(super) fn id_in_use(id: &str) -> Self {
        Self::new(4409, &format!("Subscriber for {id} already exists"))
    }

    pub(super) fn second_init() -> Self {
        Self::new(4429, "Too many initialisation requests")
    }
}

impl From<Close> for Message {
    fn from(close: Close) -> Self {
        Self::Close(Some(close.0))
    }
}
