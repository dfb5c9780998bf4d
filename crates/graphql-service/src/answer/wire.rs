//! The JSON of a GraphQL response.

use async_graphql::{Response as GraphqlResponse, ServerError};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::answer::request_error::RequestError;

/// The JSON text of one response, written at once: [`json`](super::writing::json) writes those that may be long.
pub(crate) fn to_json(response: &GraphqlResponse) -> String {
    serde_json::to_string(&Wire(response)).unwrap_or_else(|error| unwritable(&error))
}

/// A value that JSON cannot hold, such as a map with keys that are no strings: a mistake in a resolver's type.
pub(crate) fn unwritable(error: &serde_json::Error) -> String {
    tracing::error!(%error, "a response cannot be written as JSON");
    r#"{"errors":[{"message":"internal server error","extensions":{"code":"INTERNAL"}}]}"#
        .to_owned()
}

/// A response as it is written: without `data` when it is a request error (GraphQL, "Response Format").
pub(crate) struct Wire<'a>(pub(crate) &'a GraphqlResponse);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let response = self.0;
        let mut map = serializer.serialize_map(None)?;
        // Errors first, as the specification advises, so that whoever reads the text sees them.
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

/// The most bytes of an error's message. The engine's messages repeat what the client sent, such as a line of a document.
const LONGEST_MESSAGE: usize = 4096;

/// Errors as they are written: a message that is too long is cut.
pub(crate) struct WireErrors<'a>(pub(crate) &'a [ServerError]);

impl Serialize for WireErrors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut errors = serializer.serialize_seq(Some(self.0.len()))?;
        for error in self.0 {
            if error.message.len() <= LONGEST_MESSAGE {
                errors.serialize_element(error)?;
            } else {
                let end = error.message.floor_char_boundary(LONGEST_MESSAGE);
                let message = format!("{}…", &error.message[..end]);
                // Without the long message, so that it is not copied.
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
