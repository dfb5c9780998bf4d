//! `/graphql`: one path for POST, GET, streams of events and the WebSocket upgrade.
//!
//! The steps, each of which may refuse: a media type that both sides know (406), the caller (401), the method (405), the content type
//! (415), the body (400, 413), the document, its limits and the kind of its operation, a free slot (503); then the executor.
//! A request that is refused has touched nothing. The operations of a batch run one after the other, each a unit of work
//! with an outcome of its own, or all of them one unit where the client says so.
//!
//! # Cancel safety
//!
//! When the client goes away the handler's future is dropped, and with it the operation, which rolls back.

use std::sync::Arc;

use async_graphql::{
    BatchRequest, BatchResponse, Executor, Request, Response as GraphqlResponse,
    parser::types::OperationType,
};
use axum::{
    extract::{FromRequestParts, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, request::Parts},
    response::Response,
};

use super::{
    GraphqlState, admission,
    auth::Caller,
    events, idempotency,
    media::{self, Accept, MediaType},
    origin,
    refusal::Refusal,
    request::{self, Requests},
    response, socket, spelling,
    wishes::Wishes,
};

/// Answers everything that arrives at `/graphql`.
pub(super) async fn handle<E: Executor>(
    State(state): State<Arc<GraphqlState<E>>>,
    request: axum::extract::Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        return match handshake(&state, &parts).await {
            Ok((wishes, caller)) => {
                let busy = parts.extensions.remove();
                socket::accept(upgrade, state, wishes, caller, busy)
            }
            Err(refusal) => refusal.into_http(MediaType::Json),
        };
    }
    let Some(accept) = Accept::of(&parts.headers) else {
        return Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "the response is application/json, application/graphql-response+json or text/event-stream",
        )
        .into_http(MediaType::Json);
    };
    let request = axum::extract::Request::from_parts(parts, body);
    answer(&state, request, accept)
        .await
        .unwrap_or_else(|refusal| refusal.into_http(accept.json()))
}

async fn handshake<E>(
    state: &GraphqlState<E>,
    parts: &Parts,
) -> Result<(Wishes, Option<Caller>), Refusal> {
    origin::check(parts, &state.origins)?;
    idempotency::refuse(&parts.headers)?;
    let caller = Caller::of_handshake(state.tokens.as_ref(), &parts.headers).await?;
    let wishes = Wishes::of_handshake(&parts.headers, state.most_told)?;
    Ok((wishes, caller))
}

/// Who asks, how, and for what form of an answer.
struct Asked {
    caller: Caller,
    wishes: Wishes,
    accept: Accept,
}

async fn answer<E: Executor>(
    state: &GraphqlState<E>,
    request: axum::extract::Request,
    accept: Accept,
) -> Result<Response, Refusal> {
    let asked = Asked {
        caller: Caller::of(state.tokens.as_ref(), request.headers()).await?,
        wishes: Wishes::of(request.headers(), state.most_told)?,
        accept,
    };
    match *request.method() {
        Method::GET => {
            asked.wishes.without_batch()?;
            origin::check_get(&request, &state.origins)?;
            let request = request::from_uri(request.uri())?;
            single(state, request, &asked, refuse_mutation).await
        }
        Method::POST => {
            refuse_unless_json(request.headers())?;
            spelling::check_query_string(request.uri())?;
            let headers = request.headers();
            let (key, no_key) = (idempotency::key(headers), idempotency::refuse(headers));
            let limits = &state.limits;
            let body = request.into_body();
            match request::from_body(body, limits.body_bytes, limits.batch).await? {
                Requests::Single(request) => {
                    asked.wishes.without_batch()?;
                    let request = idempotency::mark(*request, key?);
                    single(state, request, &asked, |_| Ok(())).await
                }
                Requests::Batch(requests) => {
                    no_key?;
                    if accept.only_events() {
                        return Err(Refusal::streamed_batch());
                    }
                    // Boxed, as it would make the future of every request larger.
                    Box::pin(batch(state, requests, &asked)).await
                }
            }
        }
        ref method => Err(Refusal::method(method)),
    }
}

/// Answers one request: a subscription by a stream of events, anything else by one response.
async fn single<E: Executor>(
    state: &GraphqlState<E>,
    request: Request,
    asked: &Asked,
    refuse: fn(OperationType) -> Result<(), Refusal>,
) -> Result<Response, Refusal> {
    let accept = asked.accept;
    let write = |response| {
        if accept.only_events() {
            events::single(&response)
        } else {
            response::single(response, accept.json())
        }
    };
    let admitted = match admission::admit(request, &state.documents, &state.preparer) {
        Ok(admitted) => admitted,
        // What is wrong with a document is answered as the executor answers it.
        Err(refusal) => return Ok(write(refusal.into_graphql())),
    };
    let admitted = admitted.of(&asked.caller)?;
    refuse(admitted.kind)?;
    if admitted.kind == OperationType::Subscription {
        if !accept.events {
            return Err(Refusal::subscription());
        }
        let request = asked.wishes.mark(admitted.request)?;
        let responses = state.executor.execute_stream(request, None);
        let expires = asked.caller.expires;
        return Ok(events::stream(responses, &state.lifecycle, expires));
    }
    let _slot = state.slots.take()?;
    let request = asked.wishes.mark(admitted.request)?;
    Ok(write(state.executor.execute(request).await))
}

async fn batch<E: Executor>(
    state: &GraphqlState<E>,
    requests: Vec<Request>,
    asked: &Asked,
) -> Result<Response, Refusal> {
    let _slot = state.slots.take()?;
    let media_type = asked.accept.json();
    if asked.wishes.all_or_nothing() {
        let responses = together(state, requests, asked).await?;
        return Ok(response::batch(responses, media_type));
    }
    let mut responses = Vec::with_capacity(requests.len());
    for request in requests {
        let outcome = element(state, request, asked).await;
        responses.push(outcome.unwrap_or_else(Refusal::into_graphql));
    }
    Ok(response::batch(responses, media_type))
}

/// Runs a batch that is one unit of work: one part that is refused refuses all. What kinds may be in it, the executor knows.
async fn together<E: Executor>(
    state: &GraphqlState<E>,
    requests: Vec<Request>,
    asked: &Asked,
) -> Result<Vec<GraphqlResponse>, Refusal> {
    let parts = requests.into_iter().map(|request| {
        let admitted = admission::admit(request, &state.documents, &state.preparer)?;
        let admitted = admitted.of(&asked.caller)?;
        asked.wishes.mark_part(admitted.request)
    });
    let parts = BatchRequest::Batch(parts.collect::<Result<_, _>>()?);
    Ok(match state.executor.execute_batch(parts).await {
        BatchResponse::Batch(responses) => responses,
        BatchResponse::Single(response) => vec![response],
    })
}

async fn element<E: Executor>(
    state: &GraphqlState<E>,
    request: Request,
    asked: &Asked,
) -> Result<GraphqlResponse, Refusal> {
    let admitted = admission::admit(request, &state.documents, &state.preparer)?;
    let admitted = admitted.of(&asked.caller)?;
    if admitted.kind == OperationType::Subscription {
        return Err(Refusal::subscription());
    }
    let request = asked.wishes.mark(admitted.request)?;
    Ok(state.executor.execute(request).await)
}

fn refuse_mutation(kind: OperationType) -> Result<(), Refusal> {
    match kind {
        OperationType::Query | OperationType::Subscription => Ok(()),
        OperationType::Mutation => Err(Refusal::mutation_over_get()),
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
