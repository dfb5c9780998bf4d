//! The messages of `graphql-transport-ws`, and the codes with which the server closes a socket.

use async_graphql::{Request, Response};
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::{
    answer::{wire::WireErrors, writing::json},
    request::read,
};

/// The most bytes of an operation's id, which each of its messages repeats.
const MAX_ID_BYTES: usize = 1024;

/// The most bytes of a ping, whose payload is sent back.
const MAX_PING_BYTES: usize = 4096;

/// A message of the client.
#[derive(Debug)]
pub(super) enum ClientMessage {
    ConnectionInit { payload: Option<Map<String, Json>> },
    Ping { payload: Option<Map<String, Json>> },
    Pong,
    Subscribe { id: String, request: Box<Request> },
    Complete { id: String },
}

impl ClientMessage {
    /// Parses a text message. Anything that the protocol does not have closes the socket with 4400.
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
            "ping" if text.len() > MAX_PING_BYTES => Err(Close::bad_message("a ping is too long")),
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
        Some(Json::String(id)) if id.len() > MAX_ID_BYTES => Err(Close::bad_message(
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

/// A message of the server.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a Map<String, Json>>,
    },
    /// The operation never began. It ends the operation, in place of `complete`.
    Error {
        id: &'a str,
        payload: WireErrors<'a>,
    },
    Complete {
        id: &'a str,
    },
}

/// `next` with the response of an operation that was executed.
pub(super) async fn next(id: &str, response: Response) -> Message {
    next_of_text(id, &json(response).await)
}

impl ServerMessage<'_> {
    /// The message as text, or a close with 1011 where it cannot be written as JSON.
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
    // Put together by hand, so that the JSON text is not parsed again.
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

    /// Too many large messages are being read (IANA's registry of close codes).
    pub(super) fn try_again() -> Self {
        Self::new(1013, "Try again later")
    }

    /// With this code, clients of graphql-ws do not reconnect and send the message again.
    pub(super) fn too_big() -> Self {
        Self::new(1009, "Message too big")
    }

    pub(super) fn bad_message(reason: &str) -> Self {
        Self::new(4400, reason)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }

    /// After 4403 clients may connect again with other credentials; after 4401 they do not.
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
