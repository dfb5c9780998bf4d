//! Refusals: the answers to requests that never become operations.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use graphql_operation::{Refused, Stage};

use crate::answer::{media::MediaType, request_error::RequestError, wire::to_json};

/// The answer to a request that is refused: a status, a message and a code.
///
/// The message is written for clients; it never repeats the text of a library's error. On the wire a refusal is a GraphQL response
/// without `data`, so that clients read it like any other error. Nothing of a refused request has run.
///
/// ```
/// use async_graphql::ErrorExtensionValues;
/// use graphql_service::Refusal;
///
/// let mut details = ErrorExtensionValues::default();
/// details.set("scope", "notes:write");
///
/// // 403, `extensions: { "code": "FORBIDDEN", "scope": "notes:write" }`
/// let refusal = Refusal::forbidden("the token lacks the scope `notes:write`").details(details);
/// # let _ = refusal;
/// ```
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    error: RequestError,
    message: String,
    details: ErrorExtensionValues,
    /// The errors of a document that was refused. If there are any, they are the answer in place of the message.
    errors: Box<[ServerError]>,
    header: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    /// 400, with the code `BAD_REQUEST`: the request is not well-formed *GraphQL over HTTP*.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A refusal with any other status, and the code `BAD_REQUEST`.
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

    /// 400, with a code of its own: the document is not known, or not allowed.
    pub(crate) fn document(error: RequestError, message: &str) -> Self {
        Self {
            error,
            ..Self::bad_request(message)
        }
    }

    /// 400, with the code `CONSISTENCY_TOKEN_INVALID`.
    pub(crate) fn consistency_token(message: impl Into<String>) -> Self {
        Self {
            error: RequestError::ConsistencyToken,
            ..Self::bad_request(message)
        }
    }

    /// 401, with the code `UNAUTHENTICATED`: the caller is not known. `challenge` becomes `WWW-Authenticate`, and says how to
    /// authenticate, such as `Bearer`.
    pub fn unauthenticated(challenge: &'static str, message: impl Into<String>) -> Self {
        Self {
            error: RequestError::Unauthenticated,
            header: Some((header::WWW_AUTHENTICATE, challenge)),
            ..Self::new(StatusCode::UNAUTHORIZED, message)
        }
    }

    /// 403, with the code `FORBIDDEN`: the caller is known and may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self {
            error: RequestError::Forbidden,
            ..Self::new(StatusCode::FORBIDDEN, message)
        }
    }

    /// [`Limits::operations`](crate::Limits::operations) are running.
    pub(crate) fn overloaded(limit: usize) -> Self {
        Self::too_many(
            "operations",
            limit,
            format!("{limit} operations are under way, which is the limit: try again soon"),
        )
    }

    /// This client has its share of operations running.
    pub(crate) fn overloaded_by_client(limit: usize) -> Self {
        Self::too_many(
            "operationsOfOneClient",
            limit,
            format!(
                "{limit} operations of yours are under way, which is the limit for one client: try again soon"
            ),
        )
    }

    /// This client has [`Limits::subscriptions_of_client`](crate::Limits::subscriptions_of_client) open.
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

    /// The queue of heavy operations is full, or the turn did not come in time.
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

    /// The system gives the process no threads for heavy operations.
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

    /// The client has not read the answers that it was sent.
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

    /// The bodies that are arriving take all the memory that they may.
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

    /// The body arrives too slowly.
    pub(crate) fn late_body() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body takes too long to arrive",
        )
    }

    /// Sets what the error's `extensions` have beside the code.
    #[must_use]
    pub fn details(self, details: ErrorExtensionValues) -> Self {
        Self { details, ..self }
    }

    /// The method is neither GET nor POST.
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

    /// A subscription came by a transport that carries one answer only.
    pub(crate) fn subscription() -> Self {
        Self::bad_request(
            "a subscription needs a stream: ask for text/event-stream or multipart/mixed;subscriptionSpec=1.0, or connect a WebSocket with the \
             graphql-transport-ws subprotocol",
        )
    }

    /// A query or a mutation cannot be answered by a multipart stream.
    pub(crate) fn not_streamed() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "multipart/mixed is for subscriptions: ask for application/json or application/graphql-response+json",
        )
    }

    /// A batch cannot be answered by a stream: its responses are one JSON array.
    pub(crate) fn streamed_batch() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "the response to a batch is application/json or application/graphql-response+json",
        )
    }

    /// The body has more bytes than [`Limits::body_bytes`](crate::Limits::body_bytes).
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is greater than {limit} bytes"),
        )
    }

    /// The text for the client.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The refusal as a GraphQL response, for an element of a batch or a message on a socket.
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

    /// The refusal as an HTTP response.
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
