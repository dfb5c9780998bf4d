//! The loop of attempts: an operation that loses a conflict is run again as a whole, on a fresh unit.
//!
//! It lies *around* the schema, because an extension can run an operation only once. Each attempt is a request of its
//! own with fresh operation data, fresh loaders and a fresh unit; what the caller put into the request's data is kept
//! for all of them and reaches the resolvers as session data.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_graphql::{
    BatchRequest, BatchResponse, Data, Executor, Request, Response,
    parser::types::{DocumentOperations, OperationType},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep};

/// Runs a schema's queries and mutations again when they lose a conflict: a serialization failure, a deadlock, a busy
/// database, at a statement or at COMMIT; a connection that was lost before COMMIT, or in it when the database says that
/// nothing happened. The client sees one answer.
///
/// That is decided by what happened to the unit, told by the database's error codes; never by the errors of the response.
///
/// # What is not run again
/// - A subscription.
/// - A request with uploads: they can be read only once.
/// - An operation whose outcome is not known, or whose deadline has passed.
/// - A request with data of its own *and* session data (a WebSocket's): there is no way to keep the first.
///
/// Extensions' `request` hook does not run for what goes through here, their `subscribe` hook does: async-graphql takes
/// shared data only on that road.
#[derive(Clone, Debug)]
pub struct Retrying<E> {
    executor: E,
    policy: RetryPolicy,
}

/// How often an operation is run again, and how long is waited in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most attempts, the first one included. Default: 20.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from one to the next. Default: 2 milliseconds.
    pub first_delay: Duration,
    /// The longest wait. Default: 500 milliseconds.
    pub longest_delay: Duration,
    /// Whether up to as much again is added to each wait, at random, so that those who met do not meet again.
    /// Default: yes.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 20,
            first_delay: Duration::from_millis(2),
            longest_delay: Duration::from_millis(500),
            jitter: true,
        }
    }
}

impl RetryPolicy {
    fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay)
            .with_max_times(usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX));
        if self.jitter {
            backoff.with_jitter().build()
        } else {
            backoff.build()
        }
    }
}

impl<E: Executor> Retrying<E> {
    /// Runs operations of `executor`, a schema with a [`UnitOfWorkExtension`](crate::UnitOfWorkExtension), by the default
    /// [`RetryPolicy`].
    pub fn new(executor: E) -> Self {
        Self {
            executor,
            policy: RetryPolicy::default(),
        }
    }

    /// Replaces the policy.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Runs a query or mutation until an attempt's end is the operation's.
    async fn attempts(&self, template: Template, first: Request) -> Response {
        let started = Instant::now();
        let mut delays = self.policy.delays();
        let mut request = first;
        let mut number = 1;
        loop {
            let attempt = Arc::new(Attempt {
                number,
                started,
                conflict: OnceLock::new(),
            });
            let response = template.run(&self.executor, request, &attempt).await;
            let Some(conflict) = attempt.conflict.get() else {
                return response;
            };
            let Some(delay) = delays.next() else {
                return response;
            };
            if conflict
                .deadline
                .is_some_and(|deadline| Instant::now() + delay >= deadline)
            {
                return response;
            }
            metrics::counter!("unit_of_work_retries_total").increment(1);
            tracing::warn!(
                graphql.operation.name = template.operation_name.as_deref(),
                attempt = number,
                ?delay,
                "the operation lost a conflict and is run again"
            );
            sleep(delay).await;
            request = template.again();
            number += 1;
        }
    }
}

impl<E: Executor> Executor for Retrying<E> {
    async fn execute(&self, request: Request) -> Response {
        match Template::of(request, None) {
            Ok((template, first)) => self.attempts(template, first).await,
            Err(request) => self.executor.execute(*request).await,
        }
    }

    /// One after another: each is a unit of its own, with an outcome of its own.
    async fn execute_batch(&self, batch: BatchRequest) -> BatchResponse {
        match batch {
            BatchRequest::Single(request) => BatchResponse::Single(self.execute(request).await),
            BatchRequest::Batch(requests) => {
                let mut responses = Vec::with_capacity(requests.len());
                for request in requests {
                    responses.push(self.execute(request).await);
                }
                BatchResponse::Batch(responses)
            }
        }
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        match Template::of(request, session.clone()) {
            Ok((template, first)) => {
                let retrying = self.clone();
                stream::once(async move { retrying.attempts(template, first).await }).boxed()
            }
            Err(request) => self.executor.execute_stream(*request, session),
        }
    }
}

/// A query or mutation that can be run again.
struct Template {
    query: String,
    operation_name: Option<String>,
    variables: async_graphql::Variables,
    extensions: async_graphql::Extensions,
    introspection_mode: async_graphql::IntrospectionMode,
    data: Arc<Data>,
}

impl Template {
    /// Notes what it takes to make the request again, and answers the first one, which keeps its parsed document; or gives
    /// the request back if it must be run as it is, once.
    fn of(
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> Result<(Self, Request), Box<Request>> {
        let runs_once = !request.uploads.is_empty()
            || (session.is_some() && !request.data.is_empty())
            || !is_query_or_mutation(&mut request);
        if runs_once {
            return Err(Box::new(request));
        }
        let data = std::mem::take(&mut request.data);
        let template = Self {
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables: request.variables.clone(),
            extensions: request.extensions.clone(),
            introspection_mode: request.introspection_mode,
            data: session.unwrap_or_else(|| Arc::new(data)),
        };
        Ok((template, request))
    }

    /// The request, for another attempt.
    fn again(&self) -> Request {
        let mut request = Request::new(self.query.clone()).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation_name);
        request.extensions.clone_from(&self.extensions);
        request.introspection_mode = self.introspection_mode;
        request
    }

    async fn run(
        &self,
        executor: &impl Executor,
        request: Request,
        attempt: &Arc<Attempt>,
    ) -> Response {
        let request = request.data(Arc::clone(attempt));
        let mut responses = executor.execute_stream(request, Some(Arc::clone(&self.data)));
        // A query or mutation is a stream of one response.
        responses.next().await.unwrap_or_default()
    }
}

/// Whether the request surely is a query or a mutation; what does not parse is the schema's to refuse.
fn is_query_or_mutation(request: &mut Request) -> bool {
    let name = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else {
        return false;
    };
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name.as_str()),
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    };
    operation.is_some_and(|operation| operation.node.ty != OperationType::Subscription)
}

/// One attempt, as the extension sees it in the request's data.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// When the first attempt started: the deadline counts from here.
    pub(crate) started: Instant,
    /// Set by the extension when the operation should be run again.
    conflict: OnceLock<Conflict>,
}

#[derive(Debug)]
struct Conflict {
    deadline: Option<Instant>,
}

impl Attempt {
    /// Says that this attempt lost a conflict.
    pub(crate) fn lost(&self, deadline: Option<Instant>) {
        self.conflict.get_or_init(|| Conflict { deadline });
    }
}
