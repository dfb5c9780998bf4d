//! The loop of attempts: an operation that loses a conflict is run again as a whole, on a fresh unit.
//!
//! It lies *around* the schema, because an extension can run an operation only once. Each attempt is a request of its
//! own with fresh operation data, fresh loaders and a fresh unit; what the caller put into the request's data is kept
//! for all of them and reaches the resolvers as session data.

pub(crate) mod attempt;
pub(crate) mod batch;
pub(crate) mod notes;
pub(crate) mod snapshots;
pub(crate) mod template;

mod attempts;
mod policy;

use std::sync::Arc;

use async_graphql::{BatchRequest, BatchResponse, Data, Executor, Request, Response};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

pub(crate) use attempts::Attempts;
pub use policy::RetryPolicy;

use crate::{
    operation::respond,
    retry::{snapshots::Snapshots, template::Template},
    subscription::redelivery::Delivery,
};

/// Runs a schema's queries and mutations again when they lose a conflict: a serialization failure, a deadlock, a busy
/// database, at a statement or at COMMIT; a connection that was lost before COMMIT, or in it when the database says that
/// nothing happened; a database that cannot be reached. The client sees one answer.
///
/// Whether to run again is decided by the error codes that the database gave the unit, and never by the errors of the response.
///
/// # What is not run again
/// - A subscription; but its events are, where its stream is made by [`redeliver`](crate::redeliver). A request that only
///   names its document (a persisted query, found by an extension of the schema) is run to learn what it is; a subscription
///   among these is then begun once, as a stream of its own.
/// - A request with uploads: they can be read only once.
/// - An operation whose outcome is not known, or whose deadline has passed.
/// - A request with data of its own *and* session data (a WebSocket's): there is no way to keep the first.
///
/// Extensions' `request` hook does not run for what goes through here, their `subscribe` hook does: async-graphql takes
/// shared data only on that road.
///
/// ```no_run
/// # use async_graphql::{EmptyMutation, EmptySubscription, Executor, Object, Request, Schema};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # async fn example(schema: Schema<Query, EmptyMutation, EmptySubscription>) {
/// use unit_of_work::{RetryPolicy, Retrying};
///
/// let executor = Retrying::new(schema).policy(RetryPolicy::default().attempts(5));
/// let response = executor.execute(Request::new("{ one }")).await;
/// # let _ = response; }
/// ```
#[derive(Clone, Debug)]
pub struct Retrying<E> {
    executor: E,
    policy: RetryPolicy,
    snapshots: Arc<Snapshots>,
}

impl<E: Executor> Retrying<E> {
    /// Runs operations of `executor`, a schema with a [`UnitOfWorkExtension`](crate::UnitOfWorkExtension), by the default
    /// [`RetryPolicy`].
    pub fn new(executor: E) -> Self {
        Self {
            executor,
            policy: RetryPolicy::default(),
            snapshots: Arc::default(),
        }
    }

    /// Replaces the policy.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Runs a query or mutation until an attempt's end is the operation's. `None` where it turns out to be a subscription:
    /// nothing of it has run.
    async fn attempts(&self, template: &Template, first: Request) -> Option<Response> {
        let mut attempts = Attempts::new(&self.policy);
        let document = template.document(&self.snapshots);
        if let Some(document) = document {
            attempts.without_transaction = !self.snapshots.is_needed(document);
        }
        let mut attempt = attempts.next(None);
        let mut request = first;
        loop {
            let response = template.run(&self.executor, request, &attempt).await;
            if attempt.subscription.get().is_some() {
                return None;
            }
            if let Some(document) = document
                && attempt.needs_snapshot.get().is_some()
            {
                self.snapshots.remember(document);
                attempts.go_on_with_snapshot(&attempt);
            } else {
                let name = template.operation_name.as_deref();
                if !attempts.go_on(&attempt, name).await {
                    return Some(response);
                }
            }
            attempt = attempts.next(None);
            request = template.again();
        }
    }

    async fn one_by_one(&self, requests: Vec<Request>) -> Vec<Response> {
        let mut responses = Vec::with_capacity(requests.len());
        for request in requests {
            responses.push(self.execute(request).await);
        }
        responses
    }
}

impl<E: Executor> Executor for Retrying<E> {
    async fn execute(&self, request: Request) -> Response {
        match Template::of(request, None) {
            Ok((template, first)) => self
                .attempts(&template, first)
                .await
                .unwrap_or_else(|| Response::from_errors(vec![respond::no_subscription()])),
            // Boxed: it is rare, and would make the future of every operation larger.
            Err(request) => Box::pin(self.executor.execute(*request)).await,
        }
    }

    /// In order, one after another: each a unit of its own, with an outcome of its own; or, where a request's data has
    /// [`AllOrNothing`](crate::AllOrNothing), all of them one unit.
    async fn execute_batch(&self, batch: BatchRequest) -> BatchResponse {
        match batch {
            BatchRequest::Single(request) => BatchResponse::Single(self.execute(request).await),
            BatchRequest::Batch(requests) if requests.iter().any(batch::is_all_or_nothing) => {
                BatchResponse::Batch(batch::run(&self.executor, &self.policy, requests).await)
            }
            BatchRequest::Batch(requests) => BatchResponse::Batch(self.one_by_one(requests).await),
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
                stream::once(async move {
                    match retrying.attempts(&template, first).await {
                        Some(response) => stream::once(std::future::ready(response)).boxed(),
                        None => template.stream(&retrying.executor, &retrying.policy),
                    }
                })
                .flatten()
                .boxed()
            }
            Err(request) => {
                let request = request.data(Delivery::new(&self.policy));
                self.executor.execute_stream(request, session)
            }
        }
    }
}
