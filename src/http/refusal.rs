//! What the handler itself answers when a request never becomes an operation.

use async_graphql::{ErrorExtensionValues, Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};

use super::{media::MediaType, request_error::RequestError};

/// A refusal: a status and a message of our own, never the text of a library's error or the name of a type.
///
/// On the wire it is a GraphQL response without `data`, so that a client reads it like every other error.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: RequestError,
    message: String,
    allow: Option<&'static str>,
}

impl Refusal {
    /// The request is not well-formed *GraphQL over HTTP*.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Any other transport-level refusal.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            error: RequestError::BadRequest,
            message: message.into(),
            allow: None,
        }
    }

    /// The resource knows only GET and POST.
    pub(super) fn method(method: &Method) -> Self {
        Self {
            allow: Some("GET, POST"),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method} is not allowed here: use POST, or GET for queries"),
            )
        }
    }

    /// *GraphQL over HTTP*, "GET": a GET must not execute a mutation.
    pub(super) fn mutation_over_get() -> Self {
        Self {
            allow: Some("POST"),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "a mutation is not allowed over GET: use POST",
            )
        }
    }

    /// A subscription needs a transport with more than one answer.
    pub(super) fn subscription() -> Self {
        Self::bad_request(
            "a subscription needs a WebSocket: connect with the graphql-transport-ws subprotocol",
        )
    }

    /// The body is greater than the server takes.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is greater than {limit} bytes"),
        )
    }

    /// What is wrong.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// As a GraphQL response, for a place in a batch or a message on a socket.
    pub(super) fn into_graphql(self) -> GraphqlResponse {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", self.error.code());
        let mut error = ServerError::new(self.message, None);
        error.extensions = Some(extensions);
        error.source = Some(std::sync::Arc::new(self.error));
        GraphqlResponse::from_errors(vec![error])
    }

    /// As an HTTP response.
    pub(super) fn into_http(self, media_type: MediaType) -> Response {
        let (status, allow) = (self.status, self.allow);
        let mut response =
            Response::new(Body::from(super::response::to_json(&self.into_graphql())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, media_type.content_type());
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}
