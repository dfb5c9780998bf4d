//! The JSON of a GraphQL response.

use async_graphql::{Response as GraphqlResponse, ServerError};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::answer::request_error::RequestError;

/// The JSON text of one response, written in one go. For responses that may be long there is [`json`](super::writing::json).
pub(crate) fn to_json(response: &GraphqlResponse) -> String {
    serde_json::to_string(&Wire(response)).unwrap_or_else(|error| unwritable(&error))
}

/// The answer where a value cannot be written as JSON, such as a map whose keys are not strings: a mistake in a resolver's type.
pub(crate) fn unwritable(error: &serde_json::Error) -> String {
    tracing::error!(%error, "a response cannot be written as JSON");
    r#"{"errors":[{"message":"internal server error","extensions":{"code":"INTERNAL"}}]}"#
        .to_owned()
}

/// A response in JSON. A request error has no `data` (GraphQL, "Response Format").
pub(crate) struct Wire<'a>(pub(crate) &'a GraphqlResponse);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let response = self.0;
        let mut map = serializer.serialize_map(None)?;
        // Errors come first, as the specification advises, so that readers of the text see them.
        if !response.errors.is_empty() {
            map.serialize_entry("errors", &WireErrors(&response.errors))?;
        }
        if RequestError::of(response).is_none() {
            map.serialize_entry("data", &response.data)?;
        }
        if !response.extensions.is_empty() {
            map.serialize_entry("extensions", &response.extensions)?;
        }
        map.end()
    }
}

/// The most bytes of an error's message. Messages may repeat what the client sent, such as a line of a document.
const MAX_MESSAGE_BYTES: usize = 4096;

/// Errors in JSON. Messages that are too long are cut.
pub(crate) struct WireErrors<'a>(pub(crate) &'a [ServerError]);

impl Serialize for WireErrors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut errors = serializer.serialize_seq(Some(self.0.len()))?;
        for error in self.0 {
            if error.message.len() <= MAX_MESSAGE_BYTES {
                errors.serialize_element(error)?;
            } else {
                let end = error.message.floor_char_boundary(MAX_MESSAGE_BYTES);
                let message = format!("{}…", &error.message[..end]);
                // Made anew rather than cloned, so that the long message is not copied.
                let mut cut = ServerError::new(message, None);
                cut.locations.clone_from(&error.locations);
                cut.path.clone_from(&error.path);
                cut.extensions.clone_from(&error.extensions);
                errors.serialize_element(&cut)?;
            }
        }
        errors.end()
    }
}
