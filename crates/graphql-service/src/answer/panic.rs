//! A panic ends the request that panicked, and nothing else.

use std::{any::Any, panic::AssertUnwindSafe};

use async_graphql::{ErrorExtensionValues, Response as GraphqlResponse, ServerError};
use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::answer::{media::MediaType, wire::to_json};

/// Runs `answer`, and answers with 500 if it panics. Without this, hyper would close the connection without an answer.
pub(crate) async fn catch(answer: impl Future<Output = Response>) -> Response {
    // Unwind safety: what the request owned is dropped, and shared state is behind locks that are recovered after a panic.
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let body = to_json(&self::response(panic.as_ref()));
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, MediaType::Json.content_type());
            response
        }
    }
}

/// Logs the cause of a panic under a new id, and tells the client this id only.
pub(crate) fn response(panic: &(dyn Any + Send)) -> GraphqlResponse {
    let id = Uuid::now_v7();
    let cause = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    tracing::error!(error_id = %id, cause, "a request panicked");

    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", "INTERNAL");
    extensions.set("id", id.to_string());
    let mut error = ServerError::new("internal server error", None);
    error.extensions = Some(extensions);
    GraphqlResponse::from_errors(vec![error])
}
