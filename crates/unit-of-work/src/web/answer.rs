//! One request: its unit is begun, its handler runs in it, and it ends before the response leaves.

use std::{future::poll_fn, panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Response as Told, Value};
use axum_core::{
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::StatusCode;
use http_body::Body as _;
use tokio::time::Instant;
use tower_service::Service;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Problem,
    consistency::{Asks, Shown, tell_token},
    keyed::{fingerprint, keep, kept},
    layer::Shared,
    request::{Whole, key_of},
};
use crate::{
    Access, Database, IdempotencyKey, RetryPolicy, UnitOfWork, UnitTerms, Viewer, codes,
    idempotency::{Recorder, Ticket},
    observe::telemetry,
    operation::respond,
    retry::{Attempts, notes::Notes},
    unit::{
        Answer, Ending, Outcome, Reason, RollBackOnDrop,
        finisher::{Finisher, Panic, within},
        terms::{Deadline, Terms},
    },
};

/// Whether a response with this status says that what was done is done.
pub(super) fn is_kept(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// A request, and how often it can be made.
enum Sent {
    Once(Option<Request>),
    Whole(Whole),
}

impl Sent {
    /// The request, with its unit.
    fn next(&mut self, unit: &UnitOfWork) -> Request {
        let mut request = match self {
            Self::Once(request) => request.take().unwrap_or_default(),
            Self::Whole(whole) => whole.again(),
        };
        request.extensions_mut().insert(unit.clone());
        request
    }
}

/// What a request runs on, for all of its attempts.
struct Asked {
    database: Database,
    access: Access,
    terms: UnitTerms,
    deadline: Option<Deadline>,
    /// What it asks of the server that it reads from. `None` on a database without replicas.
    asks: Option<Asks>,
    ticket: Option<Ticket>,
    most: usize,
}

pub(super) async fn run<S>(
    shared: Arc<Shared>,
    mut inner: S,
    request: Request,
) -> Result<Response, S::Error>
where
    S: Service<Request, Response = Response> + Clone,
{
    let (asked, mut sent) = match prepare(&shared, request).await {
        Ok(prepared) => prepared,
        Err(problem) => return Ok(problem.into_response()),
    };
    let policy = strictest(&shared.retry, &asked.terms.retry);
    let mut attempts = Attempts::new(policy);
    loop {
        let attempt = attempts.next(None);
        let name = asked.terms.name.as_deref();
        let terms = asked.terms_of(attempt.number, Arc::clone(&attempt.notes));
        let span = telemetry::unit_span(name);
        let unit = UnitOfWork::new(asked.database.clone(), terms, span.clone());
        let request = sent.next(&unit);
        let (outcome, response) = asked
            .attempt(&unit, shared.recorder.as_ref(), &mut inner, request)
            .instrument(span)
            .await;
        match unit.fate().lost(&outcome) {
            Some(lost) => {
                let deadline = asked.deadline.map(|deadline| deadline.at);
                attempt.lost(lost, deadline, &unit);
            }
            None => unit.failures().log(unit.span()),
        }
        drop(unit);
        if !attempts.go_on(&attempt, name).await {
            return response;
        }
        // Another one has to become ready, too.
        inner = inner.clone();
        poll_fn(|context| inner.poll_ready(context)).await?;
    }
}

fn strictest<'a>(layer: &'a RetryPolicy, own: &'a RetryPolicy) -> &'a RetryPolicy {
    if own.attempts > layer.attempts {
        own
    } else {
        layer
    }
}

/// Looks at a request before anything of it runs.
async fn prepare(shared: &Shared, request: Request) -> Result<(Asked, Sent), Problem> {
    if request.extensions().get::<UnitOfWork>().is_some() {
        let id = Uuid::new_v4();
        tracing::error!(
            error.id = %id,
            path = request.uri().path(),
            "a UnitOfWorkLayer is inside another one: the request would have two units, so it is refused"
        );
        return Err(Problem::internal(id));
    }
    let (parts, body) = request.into_parts();
    let access = (shared.access)(&parts);
    let terms = (shared.terms)(&parts)?;
    let key = match access {
        Access::ReadOnly => None,
        Access::ReadWrite => key_of(&parts.headers)?,
    };
    let shown = Shown::in_headers(&parts.headers)?;
    let viewer = Viewer((shared.viewer)(&parts).unwrap_or_default());
    let database = (shared.choose)(&parts)?;
    if database.check_access(access).is_err() {
        return Err(Problem::told(&respond::read_only()));
    }
    let asks = Asks::of(&database, shown, &viewer, (access, terms.isolation));
    let deadline = match (shared.deadline, terms.deadline) {
        (Some(layer), Some(own)) => Some(layer.min(own)),
        (layer, own) => layer.or(own),
    };
    let deadline = Deadline::after(deadline);
    let request = Request::from_parts(parts, body);
    let is_repeated = strictest(&shared.retry, &terms.retry).attempts > 1;
    let sent = if is_repeated || key.is_some() {
        let read = Whole::read(request, shared.most);
        match within(deadline.map(|deadline| deadline.at), read).await {
            Some(whole) => Sent::Whole(whole?),
            None => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "The body of the request did not arrive in time.",
                    codes::DEADLINE_EXCEEDED,
                ));
            }
        }
    } else {
        Sent::Once(Some(request))
    };
    let ticket = key
        .map(|key| ticket(shared, viewer, key, &sent))
        .transpose()?;
    let asked = Asked {
        database,
        access,
        terms,
        deadline,
        asks,
        ticket,
        most: shared.most,
    };
    Ok((asked, sent))
}

fn ticket(
    shared: &Shared,
    viewer: Viewer,
    key: IdempotencyKey,
    sent: &Sent,
) -> Result<Ticket, Problem> {
    let (Some(recorder), Sent::Whole(whole)) = (&shared.recorder, sent) else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "This server does not record idempotency keys here, so nothing was done. Send the request without a key.",
            codes::IDEMPOTENCY_NOT_ENABLED,
        ));
    };
    let ticket = recorder.ticket(viewer, key);
    ticket.given_for(&fingerprint(whole));
    Ok(ticket)
}

/// What a handler has come to.
enum Came<E> {
    /// It answered.
    Response(Response),
    /// An earlier request with the same key has answered this.
    Replayed(Response),
    /// Its key could not be taken, or was used for something else.
    Refused(Told),
    /// A layer around it failed.
    Failed(E),
}

impl Asked {
    /// The terms of one attempt.
    fn terms_of(&self, attempt: u32, notes: Arc<Notes>) -> Terms {
        let terms = self.terms.of(self.access, self.deadline, notes);
        match &self.asks {
            Some(asks) => asks.of_attempt(attempt, terms),
            None => terms,
        }
    }

    /// Runs the handler once, and ends the unit. The second half of the answer is the client's.
    async fn attempt<S>(
        &self,
        unit: &UnitOfWork,
        recorder: Option<&Recorder>,
        inner: &mut S,
        request: Request,
    ) -> (Outcome, Result<Response, S::Error>)
    where
        S: Service<Request, Response = Response>,
    {
        let guard = RollBackOnDrop::new(unit.clone());
        let handler = async {
            match (recorder, &self.ticket) {
                (Some(recorder), Some(ticket)) => {
                    self.keyed(unit, recorder, ticket, inner.call(request))
                        .await
                }
                _ => match inner.call(request).await {
                    Ok(response) => Came::Response(response),
                    Err(error) => Came::Failed(error),
                },
            }
        };
        let deadline = self.deadline.map(|deadline| deadline.at);
        let came = within(deadline, AssertUnwindSafe(handler).catch_unwind()).await;
        guard.disarm();
        let (outcome, response) = self.end(unit, deadline, came).await;
        let response = response.map(|mut response| {
            tell_token(&mut response, unit);
            response
        });
        (outcome, response)
    }

    /// Runs the handler, unless its key has a response already.
    async fn keyed<E>(
        &self,
        unit: &UnitOfWork,
        recorder: &Recorder,
        ticket: &Ticket,
        handler: impl Future<Output = Result<Response, E>>,
    ) -> Came<E> {
        let mut has_run = false;
        let mut refused = None;
        let mut failed = None;
        let handler = async {
            has_run = true;
            match handler.await {
                Ok(response) if keeps_unit(&response, unit, 2) => {
                    refused = Some(body_keeps_unit());
                    Told::from_errors(vec![respond::no_subscription()])
                }
                Ok(response) => keep(response, self.most, &mut refused).await,
                Err(error) => {
                    failed = Some(error);
                    Told::from_errors(vec![respond::no_subscription()])
                }
            }
        };
        let told = Box::pin(recorder.run(ticket, unit, handler)).await;
        if let Some(error) = failed {
            return Came::Failed(error);
        }
        if let Some(response) = refused {
            return Came::Response(response);
        }
        if told.is_err() {
            return Came::Refused(told);
        }
        match (kept(told), has_run) {
            (Some(response), true) => Came::Response(response),
            (Some(response), false) => Came::Replayed(response),
            (None, _) => Came::Refused(Told::from_errors(vec![respond::internal(Uuid::new_v4())])),
        }
    }

    async fn end<E>(
        &self,
        unit: &UnitOfWork,
        deadline: Option<Instant>,
        came: Option<Result<Came<E>, Panic>>,
    ) -> (Outcome, Result<Response, E>) {
        let finisher = Finisher {
            unit,
            deadline,
            dry_run: false,
        };
        let (cut_short, response) = match came {
            None => (Some(Reason::Deadline), Err(respond::deadline_exceeded())),
            Some(Err(panic)) => (Some(Reason::Panic), Err(respond::panicked(&panic))),
            Some(Ok(Came::Failed(error))) => {
                let outcome = finisher.finish(Some(Reason::Error), false).await.outcome;
                return (outcome, Err(error));
            }
            Some(Ok(Came::Refused(told))) => (None, Err(told)),
            Some(Ok(Came::Replayed(response))) => {
                let outcome = unit.finish(Ending::Replay).await;
                return (outcome, Ok(response));
            }
            Some(Ok(Came::Response(response))) => (None, Ok(response)),
        };
        let response = response.map(|response| {
            if keeps_unit(&response, unit, 1) {
                return body_keeps_unit();
            }
            response
        });
        let is_ok = response
            .as_ref()
            .is_ok_and(|response| is_kept(response.status()));
        let finished = finisher.finish(cut_short, is_ok).await;
        let outcome = finished.outcome.clone();
        if let Some(refused) = respond::token_refused(unit.failures()) {
            // Nothing of the request was run, whatever the handler made of that.
            return (outcome, Ok(Problem::told(&refused).into_response()));
        }
        let told = match response {
            // What the client hears of a GraphQL operation that has ended so, it hears here.
            Err(told) => Some(finished.tell(told, unit)),
            Ok(response) => match unit.fate().answer(&outcome, !is_ok) {
                Answer::AsItIs | Answer::Errors(None) => return (outcome, Ok(response)),
                answer => Some(respond::told(
                    Told::new(Value::Null),
                    answer,
                    &outcome,
                    unit,
                )),
            },
        };
        (outcome, Ok(problem(unit, told).into_response()))
    }
}

/// The first error that a GraphQL client would hear; a database error that has no code yet is masked.
fn problem(unit: &UnitOfWork, told: Option<Told>) -> Problem {
    let mut errors = told.map(|told| told.errors).unwrap_or_default();
    crate::operation::mask::mask(&mut errors, Some(unit.failures()), None, None);
    match errors.first() {
        Some(error) => Problem::told(error),
        None => Problem::internal(unit.failures().show_cause()),
    }
}

/// Whether the body of a response is still to come, and somebody keeps the unit: the body, for all that can be seen.
fn keeps_unit(response: &Response, unit: &UnitOfWork, own_handles: usize) -> bool {
    response.body().size_hint().exact().is_none() && !unit.is_only_with(own_handles)
}

/// In place of a response whose body would find its unit ended.
fn body_keeps_unit() -> Response {
    let id = Uuid::new_v4();
    tracing::error!(
        error.id = %id,
        "the body of a handler's response is a stream, and the unit of work is kept for it: a unit ends before its response leaves. \
         Read what the body needs before, or read in it with `Database::read`"
    );
    Problem::internal(id).into_response()
}
