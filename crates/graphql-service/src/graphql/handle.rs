//! Answers every HTTP request to `/graphql`: POST, GET, streams, and the upgrade to a WebSocket.
//!
//! The steps of a request, each of which may refuse it:
//!
//! 1. a media type that both sides know (406);
//! 2. the caller (401), and the switches in the headers (400);
//! 3. the method (405), and a GET's origin (403);
//! 4. the content type (415) and the body (400, 413). A large body waits for a heavy slot before it is parsed;
//! 5. the document, which is prepared: its limits and the kind of its operation (400, 403, 405);
//! 6. a free slot (503);
//! 7. the executor.
//!
//! A request that is refused has changed nothing. The operations of a batch run one after the other, each as a unit of work with its own
//! outcome, or all as one unit where the client asks for that.
//!
//! # Cancel safety
//!
//! When the client goes away, the handler's future is dropped, and the operation with it, which rolls back.

use std::sync::Arc;

use async_graphql::{Executor, Request, parser::types::OperationType};
use axum::{
    extract::{FromRequestParts, State, WebSocketUpgrade},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::Response,
};
use unit_of_work::IdempotencyKey;

use crate::{
    admission::{
        access::{self, Authentication, Caller as _},
        admit,
        slots::{self, Class},
    },
    answer::{
        media::{self, Accept, MediaType, StreamType},
        refusal::Refusal,
    },
    graphql::{
        asked::{Asked, Place},
        batch, socket,
        state::GraphqlState,
        stream::{event_text::Subscribe, events, multipart},
    },
    request::{
        idempotency, origin,
        read::{self, Requests},
        request_options::{self, RequestOptions},
        spelling,
    },
};

/// Answers a request to `/graphql`.
pub(crate) async fn handle<E: Executor, A: Authentication>(
    State(state): State<Arc<GraphqlState<E, A>>>,
    request: axum::extract::Request,
) -> Response {
    let request = match may_be_socket(&request) {
        false => request,
        // Boxed, because it is rare and would make the future of every request larger.
        true => match Box::pin(socket(&state, request)).await {
            Ok(response) => return response,
            Err(request) => request,
        },
    };
    if media::is_too_long(request.headers()) {
        let refusal = Refusal::bad_request("`Accept` is longer than any client needs");
        return refusal.into_http(MediaType::Json);
    }
    let Some(accept) = Accept::of(request.headers()) else {
        return Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            "the response is application/json, application/graphql-response+json, text/event-stream or multipart/mixed;subscriptionSpec=1.0",
        )
        .into_http(MediaType::Json);
    };
    let json = accept.json();
    answer(&state, request, accept)
        .await
        .unwrap_or_else(|refusal| refusal.into_http(json))
}

/// Whether a request may ask for a WebSocket, by HTTP/1.1's `Upgrade` or HTTP/2's `CONNECT`. A cheap test for all the others.
fn may_be_socket(request: &axum::extract::Request) -> bool {
    request.method() == Method::CONNECT || request.headers().contains_key(header::UPGRADE)
}

/// Answers a request for a WebSocket, and gives back any other request.
async fn socket<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    request: axum::extract::Request,
) -> Result<Response, axum::extract::Request> {
    let (mut parts, body) = request.into_parts();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return Err(axum::extract::Request::from_parts(parts, body));
    };
    Ok(match handshake(state, &parts).await {
        Ok((options, caller)) => {
            let busy = parts.extensions.remove();
            socket::accept(upgrade, Arc::clone(state), options, caller, busy)
        }
        Err(refusal) => refusal.into_http(MediaType::Json),
    })
}

async fn handshake<E, A: Authentication>(
    state: &GraphqlState<E, A>,
    parts: &Parts,
) -> Result<(RequestOptions, Option<A::Caller>), Refusal> {
    origin::check(parts, &state.origins)?;
    idempotency::refuse(&parts.headers)?;
    let caller = state.authentication.of_handshake(&parts.headers).await?;
    let options = RequestOptions::of_handshake(&parts.headers, state.switches)?;
    Ok((options, caller))
}

async fn answer<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    request: axum::extract::Request,
    accept: Accept,
) -> Result<Response, Refusal> {
    let asked = Asked {
        caller: state.authentication.of_request(request.headers()).await?,
        options: RequestOptions::of(request.headers(), state.switches)?,
        accept,
    };
    match *request.method() {
        Method::GET => {
            asked.options.without_batch()?;
            origin::check_get(&request, &state.origins)?;
            let bytes = request.uri().query().map_or(0, str::len);
            let request = Box::new(read::from_uri(request.uri())?);
            let place = Place::Shared { bytes };
            single(state, request, &asked, refuse_mutation, place).await
        }
        Method::POST => {
            refuse_unless_json(request.headers())?;
            spelling::check_query_string(request.uri())?;
            let headers = request.headers();
            let keys = (idempotency::key(headers), idempotency::refuse(headers));
            let body = read::receive(request.into_body(), state.limits.body_bytes).await?;
            let bytes = body.len();
            if state.slots.is_large(bytes) {
                let asked = Asked {
                    options: asked.options.starting_now(),
                    ..asked
                };
                let (client, deadline) = (asked.client(), asked.options.deadline());
                let shared = Arc::clone(state);
                let work = async move { posted(&shared, &body, keys, &asked, Place::Heavy).await };
                // Boxed, like those below, because it is rare and would make the future of every request larger.
                return Box::pin(state.slots.heavy(client, deadline, work)).await?;
            }
            posted(state, &body, keys, &asked, Place::Shared { bytes }).await
        }
        ref method => Err(Refusal::method(method)),
    }
}

type Keys = (Result<Option<IdempotencyKey>, Refusal>, Result<(), Refusal>);

/// Answers a POST whose body has arrived.
async fn posted<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    body: &[u8],
    (key, no_key): Keys,
    asked: &Asked<A::Caller>,
    place: Place,
) -> Result<Response, Refusal> {
    match read::from_body(body, state.limits.batch)? {
        Requests::Single(mut request) => {
            asked.options.without_batch()?;
            idempotency::attach(&mut request, key?);
            single(state, request, asked, |_| Ok(()), place).await
        }
        Requests::Batch(requests) => {
            no_key?;
            if asked.accept.only_streams() {
                return Err(Refusal::streamed_batch());
            }
            Box::pin(batch::batch(state, requests, asked, place)).await
        }
    }
}

type Refuse = fn(OperationType) -> Result<(), Refusal>;

/// Answers one request. The request is boxed, so that the futures on its way do not each embed it.
async fn single<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    mut request: Box<Request>,
    asked: &Asked<A::Caller>,
    refuse: Refuse,
    place: Place,
) -> Result<Response, Refusal> {
    if let Err(refusal) = state.documents.resolve(&mut request) {
        return Ok(asked.write(refusal.into_graphql()).await);
    }
    // A persisted document may be long although the request was short.
    if place.is_shared() && state.slots.is_large(request.query.len()) {
        let asked = Asked {
            options: asked.options.starting_now(),
            ..asked.clone()
        };
        let (client, deadline) = (asked.client(), asked.options.deadline());
        let shared = Arc::clone(state);
        let work = async move { resolved(&shared, request, &asked, refuse, Place::Heavy).await };
        return Box::pin(state.slots.heavy(client, deadline, work)).await?;
    }
    resolved(state, request, asked, refuse, place).await
}

/// Answers a request that has its document: a subscription by a stream, anything else by one response.
async fn resolved<E: Executor, A: Authentication>(
    state: &GraphqlState<E, A>,
    mut request: Box<Request>,
    asked: &Asked<A::Caller>,
    refuse: Refuse,
    place: Place,
) -> Result<Response, Refusal> {
    let admitted = match admit::admit(&mut request, place.bytes(), &state.preparer) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(asked.write(refusal.into_graphql()).await),
    };
    let admitted = admitted.for_caller(&mut request, &asked.caller)?;
    refuse(admitted.kind)?;
    let is_heavy = place.is_shared() && state.slots.class(admitted.cost) == Class::Heavy;
    if admitted.kind == OperationType::Subscription {
        let Some(stream) = asked.accept.stream() else {
            return Err(Refusal::subscription());
        };
        asked.options.attach(&mut request)?;
        let viewer = asked.caller.name();
        let share = state.slots.subscribe(viewer, slots::current_address())?;
        let subscribe = Subscribe::new(*request, &asked.caller, share);
        let responses = subscribe.responses(&state.executor);
        let lifecycle = &state.lifecycle;
        let expired = access::expired(Some(asked.caller.clone()));
        return Ok(match stream {
            StreamType::Events => events::stream(responses, lifecycle, expired),
            StreamType::Multipart(boundary) => {
                multipart::stream(responses, lifecycle, expired, boundary.clone())
            }
        });
    }
    if asked.accept.only_streams() && !asked.accept.only_events() {
        return Err(Refusal::not_streamed());
    }
    asked.options.attach(&mut request)?;
    if is_heavy {
        let (executor, asked) = (state.executor.clone(), asked.clone());
        let (client, deadline) = (asked.client(), request_options::deadline(&request));
        let work = async move {
            let response = executor.execute(*request).await;
            asked.write(response).await
        };
        return Box::pin(state.slots.heavy(client, deadline, work)).await;
    }
    let take = || {
        let viewer = asked.caller.name();
        state.slots.take(viewer, slots::current_address())
    };
    let _slot = place.is_shared().then(take).transpose()?;
    let response = state.executor.execute(*request).await;
    Ok(asked.write(response).await)
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
