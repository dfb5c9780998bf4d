//! `/graphql`: one path for POST, GET and the WebSocket upgrade.
//!
//! The steps, each of which may refuse: a media type that both sides know (406), the method (405), the content type
//! (415), the body (400, 413), the kind of the operation; then the executor. A request that is refused has touched
//! nothing. The operations of a batch run one after the other, each a unit of work with an outcome of its own, or all of
//! them one unit where the client says so.
//!
//! # Cancel safety
//!
//! When the client goes away the handler's future is dropped, and with it the operation, which rolls back.

use async_graphql::{
    BatchRequest, BatchResponse, Executor, Request, Response as GraphqlResponse,
    parser::types::OperationType,
};
use axum::{
    extract::{FromRequestParts, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};

use super::{
    GraphqlState, idempotency,
    media::{self, MediaType},
    operation, origin,
    refusal::Refusal,
    request::{self, Requests},
    response, socket,
    wishes::Wishes,
};

/// Answers everything that arrives at `/graphql`.
pub(super) async fn handle<E: Executor>(
    State(state): State<GraphqlState<E>>,
    request: axum::extract::Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        let checked = origin::check(&parts).and_then(|()| idempotency::refuse(&parts.headers));
        return match checked {
            Ok(()) => socket::accept(upgrade, state, Wishes::of(&parts.headers)),
            Err(refusal) => refusal.into_http(MediaType::Json),
        };
    }
    let Some(media_type) = MediaType::negotiate(&parts.headers) else {
        return Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "the response is application/json or application/graphql-response+json",
        )
        .into_http(MediaType::Json);
    };
    let request = axum::extract::Request::from_parts(parts, body);
    answer(&state, request, media_type)
        .await
        .unwrap_or_else(|refusal| refusal.into_http(media_type))
}

async fn answer<E: Executor>(
    state: &GraphqlState<E>,
    request: axum::extract::Request,
    media_type: MediaType,
) -> Result<Response, Refusal> {
    let wishes = Wishes::of(request.headers());
    let executor = &state.executor;
    match *request.method() {
        Method::GET => {
            let request = request::from_uri(request.uri())?;
            let response = run(executor, request, wishes, refuse_unless_query).await?;
            Ok(response::single(response, media_type))
        }
        Method::POST => {
            refuse_unless_json(request.headers())?;
            let headers = request.headers().clone();
            let limits = &state.limits;
            match request::from_body(request, limits.body_bytes, limits.batch).await? {
                Requests::Single(request) => {
                    let request = idempotency::mark(*request, idempotency::key(&headers)?);
                    let response = run(executor, request, wishes, refuse_subscription).await?;
                    Ok(response::single(response, media_type))
                }
                Requests::Batch(requests) => {
                    idempotency::refuse(&headers)?;
                    if wishes.all_or_nothing() {
                        let parts = requests.into_iter().map(|part| wishes.mark_part(part));
                        let responses = run_together(executor, parts.collect()).await;
                        return Ok(response::batch(responses, media_type));
                    }
                    let mut responses = Vec::with_capacity(requests.len());
                    for request in requests {
                        let outcome = run(executor, request, wishes, refuse_subscription);
                        responses.push(outcome.await.unwrap_or_else(Refusal::into_graphql));
                    }
                    Ok(response::batch(responses, media_type))
                }
            }
        }
        ref method => Err(Refusal::method(method)),
    }
}

/// Runs a batch that is one unit of work. What kinds may be in it, the executor knows.
async fn run_together<E: Executor>(executor: &E, parts: Vec<Request>) -> Vec<GraphqlResponse> {
    match executor.execute_batch(BatchRequest::Batch(parts)).await {
        BatchResponse::Batch(responses) => responses,
        BatchResponse::Single(response) => vec![response],
    }
}

/// Runs one operation, unless its kind is refused.
async fn run<E: Executor>(
    executor: &E,
    mut request: Request,
    wishes: Wishes,
    refuse: fn(OperationType) -> Result<(), Refusal>,
) -> Result<GraphqlResponse, Refusal> {
    let name = request.operation_name.clone();
    // The request keeps the parsed document, so this is the one parse. What does not parse, or names no operation, is
    // the executor's to report.
    let kind = request
        .parsed_query()
        .ok()
        .and_then(|document| operation::select(document, name.as_deref()))
        .map(|operation| operation.ty);
    if let Some(kind) = kind {
        refuse(kind)?;
    }
    let request = wishes.mark(request);
    Ok(executor.execute(request).await)
}

fn refuse_unless_query(kind: OperationType) -> Result<(), Refusal> {
    match kind {
        OperationType::Query => Ok(()),
        OperationType::Mutation => Err(Refusal::mutation_over_get()),
        OperationType::Subscription => Err(Refusal::subscription()),
    }
}

fn refuse_subscription(kind: OperationType) -> Result<(), Refusal> {
    match kind {
        OperationType::Query | OperationType::Mutation => Ok(()),
        OperationType::Subscription => Err(Refusal::subscription()),
    }
}

fn refuse_unless_json(headers: &HeaderMap) -> Result<(), Refusal> {
    if media::is_json(headers) {
        Ok(())
    } else {
        Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be application/json in UTF-8",
        ))
    }
}
