//! Batches: a JSON array of requests. They run one after the other, each with its own outcome, or all as one unit of work.

use std::sync::Arc;

use async_graphql::{
    BatchRequest, BatchResponse, Executor, Request, Response as GraphqlResponse,
    parser::types::OperationType,
};
use axum::response::Response;
use graphql_operation::AnswerPart;

use crate::{
    admission::{
        access::{Authentication, Caller as _},
        admit,
        slots::{Class, Cost, current_address},
    },
    answer::{refusal::Refusal, response},
    graphql::{
        asked::{Asked, Place},
        state::GraphqlState,
    },
    request::request_options,
};

/// Answers a batch in order.
pub(crate) async fn batch<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    requests: Vec<Request>,
    asked: &Asked<A::Caller>,
    place: Place,
) -> Result<Response, Refusal> {
    let take = || state.slots.take(asked.caller.name(), current_address());
    let _slot = place.is_shared().then(take).transpose()?;
    let media_type = asked.accept.json();
    if asked.options.all_or_nothing() {
        let responses = together(state, requests, asked, place).await?;
        return Ok(response::batch(responses, media_type).await);
    }
    let mut responses = Vec::with_capacity(requests.len());
    let parts = AnswerPart::of_batch(requests.len());
    for (request, part) in requests.into_iter().zip(parts) {
        let outcome = element(state, request.data(part), asked, place).await;
        responses.push(outcome.unwrap_or_else(Refusal::into_graphql));
    }
    Ok(response::batch(responses, media_type).await)
}

/// Runs a batch that is one unit of work. If one of its operations is refused, all are. Which kinds of operations it may have is for the
/// executor to say.
async fn together<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    mut requests: Vec<Request>,
    asked: &Asked<A::Caller>,
    place: Place,
) -> Result<Vec<GraphqlResponse>, Refusal> {
    for request in &mut requests {
        state.documents.resolve(request)?;
    }
    let bytes = requests.iter().map(|request| request.query.len()).sum();
    if place.is_shared() && state.slots.is_large(bytes) {
        let (shared, own) = (Arc::clone(state), asked.clone());
        let work = async move {
            let (parts, _) = parts(&shared, requests, &own, 0)?;
            Ok(as_one(&shared.executor, parts).await)
        };
        let deadline = asked.options.deadline();
        return state.slots.heavy(asked.client(), deadline, work).await?;
    }
    let (parts, cost) = parts(state, requests, asked, place.bytes())?;
    if place.is_shared() && state.slots.class(cost) == Class::Heavy {
        let executor = state.executor.clone();
        let work = async move { as_one(&executor, parts).await };
        let deadline = asked.options.deadline();
        return state.slots.heavy(asked.client(), deadline, work).await;
    }
    Ok(as_one(&state.executor, parts).await)
}

/// The operations of a batch that is one unit of work, ready to run, and what they cost together.
fn parts<E: Executor, A: Authentication>(
    state: &GraphqlState<E, A>,
    requests: Vec<Request>,
    asked: &Asked<A::Caller>,
    bytes: usize,
) -> Result<(Vec<Request>, Cost), Refusal> {
    let mut cost = Cost::default();
    let answers = AnswerPart::of_batch(requests.len());
    let parts = requests.into_iter().zip(answers).map(|(request, part)| {
        let mut request = request.data(part);
        let admitted = admit::admit(&mut request, bytes, &state.preparer)?;
        cost = cost.and(admitted.cost);
        admitted.for_caller(&mut request, &asked.caller)?;
        asked.options.attach_to_part(&mut request)?;
        Ok::<_, Refusal>(request)
    });
    let parts = parts.collect::<Result<_, _>>()?;
    Ok((parts, cost))
}

async fn as_one<E: Executor>(executor: &E, parts: Vec<Request>) -> Vec<GraphqlResponse> {
    match executor.execute_batch(BatchRequest::Batch(parts)).await {
        BatchResponse::Batch(responses) => responses,
        BatchResponse::Single(response) => vec![response],
    }
}

/// Runs one operation of a batch as a unit of work of its own.
async fn element<E: Executor, A: Authentication>(
    state: &Arc<GraphqlState<E, A>>,
    mut request: Request,
    asked: &Asked<A::Caller>,
    place: Place,
) -> Result<GraphqlResponse, Refusal> {
    state.documents.resolve(&mut request)?;
    if place.is_shared() && state.slots.is_large(request.query.len()) {
        let (shared, own) = (Arc::clone(state), asked.clone());
        let work = async move {
            let (request, _) = part(&shared, request, &own, 0)?;
            Ok(shared.executor.execute(request).await)
        };
        let deadline = asked.options.deadline();
        return state.slots.heavy(asked.client(), deadline, work).await?;
    }
    let (request, cost) = part(state, request, asked, place.bytes())?;
    if place.is_shared() && state.slots.class(cost) == Class::Heavy {
        let executor = state.executor.clone();
        let deadline = request_options::deadline(&request);
        let work = async move { executor.execute(request).await };
        return state.slots.heavy(asked.client(), deadline, work).await;
    }
    Ok(state.executor.execute(request).await)
}

/// One operation of a batch, ready to run as a unit of its own, and what it costs.
fn part<E: Executor, A: Authentication>(
    state: &GraphqlState<E, A>,
    mut request: Request,
    asked: &Asked<A::Caller>,
    bytes: usize,
) -> Result<(Request, Cost), Refusal> {
    let admitted = admit::admit(&mut request, bytes, &state.preparer)?;
    let admitted = admitted.for_caller(&mut request, &asked.caller)?;
    if admitted.kind == OperationType::Subscription {
        return Err(Refusal::subscription());
    }
    asked.options.attach(&mut request)?;
    Ok((request, admitted.cost))
}
