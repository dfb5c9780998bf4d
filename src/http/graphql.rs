//! `/graphql`: one path for POST, GET and the WebSocket upgrade.
//!
//! The steps, each of which may refuse: a media type that both sides know (406), the method (405), the content type
//! (415), the body (400, 413), a free slot (503), the limits, the kind of the operation; then the executor. A request that
//! is refused has touched nothing. The operations of a batch run one after the other, each a unit of work with an outcome
//! of its own.
//!
//! # Cancel safety
//!
//! When the client goes away the handler's future is dropped, and with it the operation, which rolls back.

use async_graphql::{Executor, Request, Response as GraphqlResponse, parser::types::OperationType};
use axum::{
    extract::{FromRequestParts, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};

use super::{
    GraphqlState, admission, idempotency,
    media::{self, MediaType},
    origin,
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
        let checked = origin::check(&parts)
            .and_then(|()| idempotency::refuse(&parts.headers))
            .and_then(|()| Wishes::of(&parts.headers));
        return match checked {
            Ok(wishes) => socket::accept(upgrade, state, wishes),
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
    let wishes = Wishes::of(request.headers())?;
    match *request.method() {
        Method::GET => {
            let request = request::from_uri(request.uri())?;
            let _slot = state.slots.take()?;
            let response = run(state, request, wishes, refuse_unless_query).await?;
            Ok(response::single(response, media_type))
        }
        Method::POST => {
            refuse_unless_json(request.headers())?;
            let headers = request.headers().clone();
            let limits = &state.limits;
            // A slot is taken only when all of the request is here: a slow sender must not hold one.
            match request::from_body(request, limits.body_bytes, limits.batch).await? {
                Requests::Single(request) => {
                    let request = idempotency::mark(*request, idempotency::key(&headers)?);
                    let _slot = state.slots.take()?;
                    let response = run(state, request, wishes, refuse_subscription).await?;
                    Ok(response::single(response, media_type))
                }
                Requests::Batch(requests) => {
                    idempotency::refuse(&headers)?;
                    let _slot = state.slots.take()?;
                    let mut responses = Vec::with_capacity(requests.len());
                    for request in requests {
                        let outcome = run(state, request, wishes, refuse_subscription);
                        responses.push(outcome.await.unwrap_or_else(Refusal::into_graphql));
                    }
                    Ok(response::batch(responses, media_type))
                }
            }
        }
        ref method => Err(Refusal::method(method)),
    }
}

/// Runs one operation, unless its kind is refused.
async fn run<E: Executor>(
    state: &GraphqlState<E>,
    request: Request,
    wishes: Wishes,
    refuse: fn(OperationType) -> Result<(), Refusal>,
) -> Result<GraphqlResponse, Refusal> {
    let admitted = match admission::admit(request, &state.limits) {
        Ok(admitted) => admitted,
        // What is wrong with a document is answered as the executor answers it.
        Err(refusal) => return Ok(refusal.into_graphql()),
    };
    if let Some(kind) = admitted.kind {
        refuse(kind)?;
    }
    let request = wishes.mark(admitted.request)?;
    Ok(state.executor.execute(request).await)
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
