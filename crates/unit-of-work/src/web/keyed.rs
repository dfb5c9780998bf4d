//! A request with an idempotency key: what it is known by, and how its response is kept.
//!
//! The response is kept as GraphQL's are, with a status and a body for data.

use async_graphql::{Response as Kept, ServerError, Value};
use axum_core::{body::Body, response::Response};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use tracing::Span;
use uuid::Uuid;

use super::{Problem, answer::is_kept, request::Whole};

/// What makes two requests with one key the same: method, path, query and body.
pub(super) fn fingerprint(request: &Whole) -> Vec<u8> {
    let uri = request.parts.uri.path_and_query();
    let mut text = format!(
        "HTTP {} {}\n",
        request.parts.method,
        uri.map_or("/", |uri| uri.as_str())
    )
    .into_bytes();
    text.extend_from_slice(&request.body);
    text
}

/// A handler's response as it is kept, or an error where the unit is to be rolled back: then the response itself is in `refused`.
pub(super) async fn keep(response: Response, most: usize, refused: &mut Option<Response>) -> Kept {
    let failed = || {
        Kept::from_errors(vec![ServerError::new(
            "the handler has not succeeded",
            None,
        )])
    };
    if !is_kept(response.status()) {
        *refused = Some(response);
        return failed();
    }
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, most).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let id = Uuid::new_v4();
            tracing::error!(
                parent: &Span::current(),
                error.id = %id,
                %error,
                most,
                "the response to a request with an idempotency key cannot be kept"
            );
            *refused = Some(axum_core::response::IntoResponse::into_response(
                Problem::internal(id),
            ));
            return failed();
        }
    };
    // Bytes, as the characters U+0000 to U+00FF.
    let text: String = body.iter().copied().map(char::from).collect();
    let data = Value::from_json(json!({ "status": parts.status.as_u16(), "body": text }));
    let mut kept = Kept::new(data.unwrap_or_default());
    kept.http_headers = parts.headers;
    kept
}

/// The response that was kept; `None` where this is something else, such as the response of a GraphQL mutation.
pub(super) fn kept(response: Kept) -> Option<Response> {
    let Value::Object(members) = &response.data else {
        return None;
    };
    let (Some(Value::Number(status)), Some(Value::String(text))) =
        (members.get("status"), members.get("body"))
    else {
        return None;
    };
    let status = StatusCode::from_u16(u16::try_from(status.as_u64()?).ok()?).ok()?;
    let body: Option<Vec<u8>> = text
        .chars()
        .map(|byte| u8::try_from(u32::from(byte)).ok())
        .collect();
    let mut kept = Response::new(Body::from(Bytes::from(body?)));
    *kept.status_mut() = status;
    *kept.headers_mut() = response.http_headers;
    Some(kept)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_answered_again() {
        let mut response = Response::new(Body::from(Bytes::from_static(b"\0caf\xe9\xff")));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.append("x-name", HeaderValue::from_static("a"));
        headers.append("x-name", HeaderValue::from_static("b"));
        let expected = response.headers().clone();
        let mut refused = None;
        let stored = keep(response, 100, &mut refused).await;
        assert!(refused.is_none() && stored.is_ok());
        let again = kept(stored).expect("was kept");
        assert_eq!(
            (again.status(), again.headers()),
            (StatusCode::CREATED, &expected)
        );
        let body = again
            .into_body()
            .collect()
            .await
            .expect("is whole")
            .to_bytes();
        assert_eq!(&body[..], b"\0caf\xe9\xff");
        assert!(kept(Kept::new(Value::Null)).is_none());
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_kept() {
        let mut refused = None;
        let stored = keep(Response::new(Body::from("long")), 3, &mut refused).await;
        assert!(stored.is_err());
        assert_eq!(
            refused.map(|response| response.status()),
            Some(StatusCode::INTERNAL_SERVER_ERROR)
        );
    }
}
