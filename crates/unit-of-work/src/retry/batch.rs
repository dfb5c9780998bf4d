//! Batches that are all or nothing: the operations of a batch share one unit.
//!
//! ```text
//! Retrying::execute_batch ─> join: the first operation makes the unit, the others get it
//!                            leave: each says how it went; nothing is finished yet
//!                            finish: one COMMIT or one ROLLBACK, and only then are the responses told
//! ```
//!
//! A mutation that fails ends the batch: those after it do not run, and those before it are undone. A batch with a conflict is run again as
//! a whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{
    Executor, Request, Response, ServerError, extensions::ExtensionContext,
    parser::types::OperationType,
};
use sea_orm::IsolationLevel;
use tokio::time::Instant;

use crate::{
    Access, Database, Report, RetryPolicy, UnitOfWork, codes,
    consistency::reading,
    observe::telemetry,
    operation::{report, respond::coded, select::kind_of},
    retry::{
        Attempts,
        attempt::Attempt,
        road::{self, NotCarried, Road},
        template::Template,
    },
    unit::{
        Ending, Reason,
        finisher::Finisher,
        terms::{Terms, stricter},
    },
};

/// Makes a batch one unit of work: all of its mutations are committed, or none is. Put it into the data of a batch's requests, and run the
/// batch through [`Retrying`](crate::Retrying). One request with it makes the whole batch one unit.
///
/// - Mutations run in order. The first that fails ends the batch; every response then is `data: null`, with the error
///   [`BATCH_ROLLED_BACK`](crate::codes::BATCH_ROLLED_BACK) where the operation itself has none.
/// - Queries of a batch read one snapshot; each has errors of its own.
/// - Queries and mutations cannot be mixed, because what may write cannot be refused writes; subscriptions, uploads and
///   idempotency keys have no place in it ([`BATCH_REFUSED`](crate::codes::BATCH_REFUSED)).
/// - The strictest isolation level and the earliest deadline of any of them hold for all, and one dry run makes the whole batch a
///   dry run. [`SessionSettings`](crate::SessionSettings) must be the same for all. A timeline is written if the first of them
///   asks for it.
///
/// ```no_run
/// # use async_graphql::{BatchRequest, BatchResponse, EmptySubscription, Executor, Object, Request, Schema};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # struct Mutation;
/// # #[Object] impl Mutation { async fn pay(&self) -> i32 { 1 } }
/// # async fn example(executor: unit_of_work::Retrying<Schema<Query, Mutation, EmptySubscription>>) {
/// use unit_of_work::AllOrNothing;
///
/// let batch = ["mutation { pay }", "mutation { pay }"].map(|query| Request::new(query).data(AllOrNothing));
/// let responses = executor.execute_batch(BatchRequest::Batch(batch.into())).await;
/// # let _ = responses; }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllOrNothing;

const ONE_KIND: &str = "A batch that is all or nothing has mutations only, or queries only.";

pub(crate) fn is_all_or_nothing(request: &Request) -> bool {
    let marker = std::any::TypeId::of::<AllOrNothing>();
    request.data.contains_key(&marker)
}

/// The error of an operation that cannot be part of a batch that is one unit.
pub(crate) fn refusal(ctx: &ExtensionContext<'_>, has_key: bool) -> Option<ServerError> {
    let attempt = ctx.data_opt::<Arc<Attempt>>();
    let is_part = attempt.is_some_and(|attempt| attempt.together.is_some());
    if ctx.data_opt::<AllOrNothing>().is_some() && !is_part {
        return Some(refused(
            "This operation is to be part of a batch that is all or nothing, and is not.",
        ));
    }
    (is_part && has_key).then(|| {
        refused(
            "An operation of a batch that is all or nothing cannot have an idempotency key: use one document with several fields.",
        )
    })
}

/// Runs a batch, and again after conflicts, and returns the responses of the last attempt.
pub(crate) async fn run<E: Executor>(
    executor: &E,
    road: &Road,
    policy: &RetryPolicy,
    requests: Vec<Request>,
) -> Vec<Response> {
    let count = requests.len();
    let (templates, mut requests) = match prepare(requests) {
        Ok(prepared) => prepared,
        Err(refusal) => {
            let refused = || Response::from_errors(vec![refusal.clone()]);
            return std::iter::repeat_with(refused).take(count).collect();
        }
    };
    let mut attempts = Attempts::new(policy);
    let mut isolation = None;
    loop {
        let together = Together::new(isolation);
        let attempt = attempts.next(Some(Arc::clone(&together)));
        let ran = together.run(executor, road, &templates, requests, &attempt);
        match ran.await {
            Ok(responses) => {
                if !attempts.go_on(&attempt, None).await {
                    return responses;
                }
            }
            // This does not count as an attempt: a later operation needs a stricter isolation level than the unit was begun at.
            Err(wanted) => isolation = Some(wanted),
        }
        requests = templates.iter().map(Template::again).collect();
    }
}

/// Checks the batch before anything of it runs.
fn prepare(mut requests: Vec<Request>) -> Result<(Vec<Template>, Vec<Request>), ServerError> {
    // An operation that does not parse fails when its turn comes.
    let kinds: Vec<_> = requests.iter_mut().map(kind_of).collect();
    let mut known: Vec<_> = kinds.iter().flatten().collect();
    known.dedup();
    if known.len() > 1 || known.contains(&&OperationType::Subscription) {
        return Err(refused(ONE_KIND));
    }
    if requests.iter().any(|request| !request.uploads.is_empty()) {
        return Err(refused(
            "An operation of a batch that is all or nothing cannot have uploads.",
        ));
    }
    let requests = requests.into_iter().zip(kinds);
    Ok(requests
        .map(|(request, kind)| Template::new(request, kind, None))
        .unzip())
}

/// What the operations of one attempt at a batch share.
#[derive(Debug)]
pub(crate) struct Together {
    /// The isolation level that an operation of an earlier attempt required.
    isolation: Option<IsolationLevel>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    unit: Option<UnitOfWork>,
    parts: Vec<Part>,
    /// A stricter level than the unit's, which an operation of this attempt requires.
    wanted: Option<IsolationLevel>,
}

/// The result of one operation of a batch.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) cut_short: Option<Reason>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) dry_run: bool,
    pub(crate) wanted: Report,
}

impl Together {
    fn new(isolation: Option<IsolationLevel>) -> Arc<Self> {
        Arc::new(Self {
            isolation,
            state: Mutex::default(),
        })
    }

    /// Returns the batch's unit to an operation with these terms. The first operation makes it.
    ///
    /// # Errors
    /// If the terms do not fit the existing unit.
    pub(crate) fn join(
        &self,
        database: &Database,
        mut terms: Terms,
    ) -> Result<UnitOfWork, ServerError> {
        let mut state = self.state();
        let Some(unit) = state.unit.clone() else {
            terms.isolation = match (terms.isolation, self.isolation) {
                (Some(own), Some(least)) => Some(stricter(own, least)),
                (own, least) => own.or(least),
            };
            let unit = UnitOfWork::new(database.clone(), terms, telemetry::batch_span());
            state.unit = Some(unit.clone());
            return Ok(unit);
        };
        if !unit.database().is(database) {
            return Err(refused(
                "The operations of a batch that is all or nothing have one transaction, and so one database.",
            ));
        }
        if unit.access() != terms.access {
            return Err(refused(ONE_KIND));
        }
        if unit.settings() != &terms.settings {
            return Err(refused(
                "The operations of a batch that is all or nothing have one transaction, and so the same settings.",
            ));
        }
        let asked = terms
            .reading
            .is_some_and(|own| !own.is_covered_by(unit.reading()));
        if asked {
            return Err(refused(
                "The operations of a batch that is all or nothing read one snapshot: the first of them has to show the newest consistency token.",
            ));
        }
        let wanted = terms.isolation.unwrap_or(unit.isolation());
        if stricter(unit.isolation(), wanted) != unit.isolation() {
            state.wanted = Some(wanted);
            return Err(refused("The batch is run again at a stricter level."));
        }
        Ok(unit)
    }

    /// Says how an operation went.
    pub(crate) fn leave(&self, part: Part) {
        self.state().parts.push(part);
    }

    /// Runs the operations and finishes the unit; or answers the isolation level that they have to be run at.
    async fn run<E: Executor>(
        &self,
        executor: &E,
        road: &Road,
        templates: &[Template],
        requests: Vec<Request>,
        attempt: &Arc<Attempt>,
    ) -> Result<Vec<Response>, IsolationLevel> {
        let mut responses = Vec::with_capacity(templates.len());
        for (template, request) in templates.iter().zip(requests) {
            let response = road.run(template, executor, request, attempt).await;
            let response = response.unwrap_or_else(|NotCarried| road::refused());
            let failed = response.is_err();
            responses.push(response);
            if failed && !self.reads_only() {
                break;
            }
        }
        let wanted = self.state().wanted;
        let Some(unit) = self.state().unit.take() else {
            return Ok(undone(responses, templates.len()));
        };
        if let Some(wanted) = wanted {
            unit.finish(Ending::RollBack(Reason::Error)).await;
            return Err(wanted);
        }
        Ok(self
            .finish(&unit, responses, templates.len(), attempt)
            .await)
    }

    async fn finish(
        &self,
        unit: &UnitOfWork,
        mut responses: Vec<Response>,
        count: usize,
        attempt: &Attempt,
    ) -> Vec<Response> {
        let parts = std::mem::take(&mut self.state().parts);
        let reads_only = unit.access() == Access::ReadOnly;
        let failed = responses.len() < count || responses.iter().any(Response::is_err);
        if failed && !reads_only {
            responses = undone(responses, count);
        }
        let deadline = parts.iter().filter_map(|part| part.deadline).min();
        let finisher = Finisher {
            unit,
            deadline,
            dry_run: parts.iter().any(|part| part.dry_run),
        };
        let cut_short = parts.iter().find_map(|part| part.cut_short);
        let finished = finisher.finish(cut_short, !failed).await;
        let wanted = parts.iter().map(|part| part.wanted).max();
        let wanted = wanted.unwrap_or_default();
        let tell = |response| {
            let mut response = finished.tell(response, unit);
            report::put(
                &mut response,
                unit,
                &finished.outcome,
                attempt.number,
                wanted,
            );
            reading::put(&mut response, unit);
            response
        };
        let responses = responses.into_iter().map(tell).collect();
        finished.tell_attempt(Some(attempt), unit, deadline);
        responses
    }

    fn reads_only(&self) -> bool {
        let state = self.state();
        let unit = state.unit.as_ref();
        unit.is_some_and(|unit| unit.access() == Access::ReadOnly)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Together {
    /// The batch was dropped: its client is gone.
    fn drop(&mut self) {
        if let Some(unit) = self.state().unit.take() {
            unit.roll_back_in_background(Reason::ClientGone);
        }
    }
}

/// The responses of a batch that failed: those of operations that did not fail, or were not run, say so too.
fn undone(mut responses: Vec<Response>, count: usize) -> Vec<Response> {
    responses.resize_with(count, Response::default);
    for response in responses.iter_mut().filter(|response| response.is_ok()) {
        let extensions = std::mem::take(&mut response.extensions);
        *response = Response::from_errors(vec![coded(
            "Another operation of the batch failed, and the batch is all or nothing: nothing of this one happened.",
            codes::BATCH_ROLLED_BACK,
            false,
        )]);
        response.extensions = extensions;
    }
    responses
}

fn refused(message: &str) -> ServerError {
    coded(message, codes::BATCH_REFUSED, false)
}
