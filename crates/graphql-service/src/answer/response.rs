//! Makes HTTP responses of GraphQL responses.

use async_graphql::{Response as GraphqlResponse, ServerError, Value};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use unit_of_work::codes;

use crate::answer::{media::MediaType, request_error::RequestError, writing::json};

/// What a client shows to read what it has written and seen.
const CONSISTENCY: HeaderName = HeaderName::from_static("x-consistency");

/// The response to one request.
///
/// *GraphQL over HTTP*, "Response": a request error has a status of its own, and an operation that was executed answers 200, even where
/// its `data` is null. An operation that the server or its database cannot serve now answers 503, where the media type allows it.
pub(crate) async fn single(mut response: GraphqlResponse, media_type: MediaType) -> Response {
    let unavailable = Unavailable::of(&response);
    let status = match (RequestError::of(&response), unavailable) {
        (Some(_), _) => media_type.request_error_status(),
        (None, Some(_)) => media_type.unavailable_status(),
        (None, None) => StatusCode::OK,
    };
    let headers = std::mem::take(&mut response.http_headers);
    let mut http = http_response(status, json(response).await, vec![headers], media_type);
    if let Some(Unavailable::For(seconds)) = unavailable
        && status == StatusCode::SERVICE_UNAVAILABLE
    {
        let headers = http.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    http
}

/// The server or its database cannot serve any operation now. Nothing of this one has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unavailable {
    /// A retry may succeed after this many seconds (`Retry-After`).
    For(&'static str),
    /// An operator has to repair something first.
    UntilMended,
}

impl Unavailable {
    /// Reads it from a response without data; a response with data was served.
    fn of(response: &GraphqlResponse) -> Option<Self> {
        if response.data != Value::Null {
            return None;
        }
        response.errors.iter().find_map(Self::of_error)
    }

    fn of_error(error: &ServerError) -> Option<Self> {
        let extensions = error.extensions.as_ref()?;
        let Some(Value::String(code)) = extensions.get("code") else {
            return None;
        };
        match code.as_str() {
            codes::DATABASE_UNAVAILABLE | codes::OVERLOADED => Some(Self::For("1")),
            codes::DATABASE_FULL | codes::DATABASE_FILE_REPLACED => Some(Self::For("5")),
            codes::DATABASE_DAMAGED => Some(Self::UntilMended),
            // Retryable: the connection was lost, and it is certain that nothing happened. A violated constraint is not retryable.
            codes::COMMIT_FAILED if extensions.get("retryable") == Some(&Value::Boolean(true)) => {
                Some(Self::For("1"))
            }
            // `OUTCOME_UNKNOWN` is not among them: something may have happened, so no proxy may send the operation again.
            _ => None,
        }
    }
}

/// The response to a batch. Each operation reports its own outcome in the body, so the status is 200.
pub(crate) async fn batch(mut responses: Vec<GraphqlResponse>, media_type: MediaType) -> Response {
    let headers = responses
        .iter_mut()
        .map(|response| std::mem::take(&mut response.http_headers))
        .collect();
    let mut body = String::from("[");
    for response in responses {
        if body.len() > 1 {
            body.push(',');
        }
        body.push_str(&json(response).await);
    }
    body.push(']');
    http_response(StatusCode::OK, body, headers, media_type)
}

fn http_response(
    status: StatusCode,
    body: String,
    set_by_resolvers: Vec<HeaderMap>,
    media_type: MediaType,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // An answer is for one caller and one moment.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for mut set in set_by_resolvers {
        // `Cache-Control` replaces ours; other headers, such as `Set-Cookie`, are added.
        if let Some(cache_control) = set.remove(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, cache_control);
        }
        // Of the tokens of a batch, the newest includes all others, and is the greatest text.
        if let Some(token) = set.remove(CONSISTENCY)
            && headers
                .get(CONSISTENCY)
                .is_none_or(|newest| token.as_bytes() > newest.as_bytes())
        {
            headers.insert(CONSISTENCY, token);
        }
        // The headers that describe the body are ours to set.
        set.remove(header::CONTENT_LENGTH);
        set.remove(header::TRANSFER_ENCODING);
        let mut name = None;
        for (next, value) in set {
            name = next.or(name);
            if let Some(name) = &name {
                headers.append(name, value);
            }
        }
    }
    headers.insert(header::CONTENT_TYPE, media_type.content_type());
    response
}

#[cfg(test)]
mod tests {
    use async_graphql::ErrorExtensionValues;

    use super::*;

    fn response(code: &str, retryable: bool) -> GraphqlResponse {
        let mut error = ServerError::new("no", None);
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code);
        extensions.set("retryable", retryable);
        error.extensions = Some(extensions);
        GraphqlResponse::from_errors(vec![error])
    }

    #[tokio::test]
    async fn what_cannot_be_served_now_is_503_where_statuses_say_more() {
        for (code, retryable, status, retry_after) in [
            (codes::DATABASE_UNAVAILABLE, true, 503, Some("1")),
            (codes::OVERLOADED, true, 503, Some("1")),
            (codes::DATABASE_FULL, true, 503, Some("5")),
            (codes::DATABASE_FILE_REPLACED, true, 503, Some("5")),
            (codes::DATABASE_DAMAGED, false, 503, None),
            (codes::COMMIT_FAILED, true, 503, Some("1")),
            (codes::COMMIT_FAILED, false, 200, None),
            (codes::OUTCOME_UNKNOWN, false, 200, None),
            (codes::CONFLICT_RETRIES_EXHAUSTED, true, 200, None),
            (codes::DEADLINE_EXCEEDED, true, 200, None),
            (codes::STATEMENT_TIMEOUT, true, 200, None),
            (codes::INTERNAL, false, 200, None),
            (codes::UNIT_DOOMED, false, 200, None),
            ("INSUFFICIENT_FUNDS", false, 200, None),
        ] {
            let http = single(response(code, retryable), MediaType::GraphqlResponse).await;
            assert_eq!(http.status().as_u16(), status, "{code}");
            let seconds = http.headers().get(header::RETRY_AFTER);
            let seconds = seconds.map(|value| value.to_str().unwrap());
            assert_eq!(seconds, retry_after, "{code}");
            let http = single(response(code, retryable), MediaType::Json).await;
            assert_eq!(http.status().as_u16(), 200, "{code}");
            assert_eq!(http.headers().get(header::RETRY_AFTER), None, "{code}");
        }
        let mut partial = response(codes::DATABASE_UNAVAILABLE, true);
        partial.data = Value::from(true);
        let http = single(partial, MediaType::GraphqlResponse).await;
        assert_eq!(http.status().as_u16(), 200);
    }
}
