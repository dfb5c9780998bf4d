//! What the handler itself answers when a request never becomes an operation.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use graphql_operation::{Refused, Stage};

use crate::answer::{media::MediaType, request_error::RequestError, wire::to_json};

/// A refusal: a status and a message of our own, never the text of a library's error or the name of a type.
///
/// On the wire it is a GraphQL response without `data`, so that a client reads it like every other error.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: RequestError,
    message: String,
    details: ErrorExtensionValues,
    /// What is wrong with a document, where that was found out: told as it is, in place of the message.
    errors: Box<[ServerError]>,
    header: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    /// The request is not well-formed *GraphQL over HTTP*: 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Any other refusal, with the code `BAD_REQUEST`.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            error: RequestError::BadRequest,
            message: message.into(),
            details: ErrorExtensionValues::default(),
            errors: Box::default(),
            header: None,
        }
    }

    /// The document cannot be had, or is not taken.
    pub(crate) fn document(error: RequestError, message: &str) -> Self {
        Self {
            error,
            ..Self::bad_request(message)
        }
    }

    /// It is not known who asks: 401. `challenge` tells how to say it (`WWW-Authenticate`), such as `Bearer`.
    pub fn unauthenticated(challenge: &'static str, message: impl Into<String>) -> Self {
        Self {
            error: RequestError::Unauthenticated,
            header: Some((header::WWW_AUTHENTICATE, challenge)),
            ..Self::new(StatusCode::UNAUTHORIZED, message)
        }
    }

    /// It is known who asks, and not theirs to do: 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self {
            error: RequestError::Forbidden,
            ..Self::new(StatusCode::FORBIDDEN, message)
        }
    }

    /// As many operations are under way as the server takes at once.
    pub(crate) fn overloaded(limit: usize) -> Self {
        Self::too_many(
            "operations",
            limit,
            format!("{limit} operations are under way, which is the limit: try again soon"),
        )
    }

    /// As many operations of this client are under way as the server takes of one.
    pub(crate) fn overloaded_by_client(limit: usize) -> Self {
        Self::too_many(
            "operationsOfOneClient",
            limit,
            format!(
                "{limit} operations of yours are under way, which is the limit for one client: try again soon"
            ),
        )
    }

    /// As many subscriptions of this client are open as the server takes of one.
    pub(crate) fn subscriptions_of_client(limit: usize) -> Self {
        Self::too_many(
            "subscriptionsOfOneClient",
            limit,
            format!(
                "{limit} subscriptions of yours are open, which is the limit for one client: end one of them first"
            ),
        )
    }

    fn too_many(what: &'static str, limit: usize, message: String) -> Self {
        let mut details = ErrorExtensionValues::default();
        details.set("limit", what);
        details.set("max", limit);
        details.set("retryable", true);
        Self {
            error: RequestError::Overloaded,
            header: Some((header::RETRY_AFTER, "1")),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
        .details(details)
    }

    /// Heavy operations wait already, or none of them ended in time.
    pub(crate) fn too_heavy(limit: usize) -> Self {
        let mut details = ErrorExtensionValues::default();
        details.set("limit", "heavyOperations");
        details.set("max", limit);
        details.set("retryable", true);
        Self {
            error: RequestError::Overloaded,
            header: Some((header::RETRY_AFTER, "5")),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "this operation is large or asks for much, and others like it are under way: try again later, or ask for less",
            )
        }
        .details(details)
    }

    /// The system has no threads to give.
    pub(crate) fn no_threads() -> Self {
        Self {
            error: RequestError::Overloaded,
            header: Some((header::RETRY_AFTER, "5")),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "there are no threads for an operation as large as this: try again later",
            )
        }
    }

    /// The client leaves too much unread to be given more.
    pub(crate) fn unread() -> Self {
        Self {
            error: RequestError::Overloaded,
            header: Some((header::RETRY_AFTER, "1")),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "this connection has too many bytes of answers unread: read them first",
            )
        }
    }

    /// The bodies that are arriving take all the memory that there is for them.
    pub(crate) fn no_room() -> Self {
        Self {
            error: RequestError::Overloaded,
            header: Some((header::RETRY_AFTER, "1")),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "other requests leave no room for a body of this size: try again soon",
            )
        }
    }

    /// The body does not come.
    pub(crate) fn late_body() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body takes too long to arrive",
        )
    }

    /// Adds what programs read in the error's `extensions`, beside the code.
    #[must_use]
    pub fn details(self, details: ErrorExtensionValues) -> Self {
        Self { details, ..self }
    }

    /// The resource knows only GET and POST.
    pub(crate) fn method(method: &Method) -> Self {
        Self {
            header: Some((header::ALLOW, "GET, POST")),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method} is not allowed here: use POST, or GET for queries"),
            )
        }
    }

    /// *GraphQL over HTTP*, "GET": a GET must not execute a mutation.
    pub(crate) fn mutation_over_get() -> Self {
        Self {
            header: Some((header::ALLOW, "POST")),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "a mutation is not allowed over GET: use POST",
            )
        }
    }

    /// A subscription needs a transport with more than one answer.
    pub(crate) fn subscription() -> Self {
        Self::bad_request(
            "a subscription needs a stream: ask for text/event-stream or multipart/mixed;subscriptionSpec=1.0, or connect a WebSocket with the \
             graphql-transport-ws subprotocol",
        )
    }

    /// What has one response is no subscription.
    pub(crate) fn not_streamed() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "multipart/mixed is for subscriptions: ask for application/json or application/graphql-response+json",
        )
    }

    /// The responses of a batch are one JSON text.
    pub(crate) fn streamed_batch() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "the response to a batch is application/json or application/graphql-response+json",
        )
    }

    /// The body is greater than the server takes.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is greater than {limit} bytes"),
        )
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// As a GraphQL response, for a place in a batch or a message on a socket.
    pub(crate) fn into_graphql(self) -> GraphqlResponse {
        if !self.errors.is_empty() {
            return GraphqlResponse::from_errors(self.errors.into_vec());
        }
        let mut extensions = self.details;
        extensions.set("code", self.error.code());
        let mut error = ServerError::new(self.message, None);
        error.extensions = Some(extensions);
        error.source = Some(Arc::new(self.error));
        GraphqlResponse::from_errors(vec![error])
    }

    /// As an HTTP response.
    pub(crate) fn into_http(self, media_type: MediaType) -> Response {
        let (status, header) = (self.status, self.header.clone());
        let mut response = Response::new(Body::from(to_json(&self.into_graphql())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, media_type.content_type());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// An operation that cannot be prepared.
impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let error = RequestError::from(refused.stage());
        let mut errors = refused.into_errors();
        for one in &mut errors {
            let stage = one.source::<Stage>().copied();
            one.source = Some(Arc::new(stage.map_or(error, RequestError::from)));
        }
        Self {
            error,
            errors: errors.into(),
            ..Self::bad_request("the operation cannot be prepared")
        }
    }
}
