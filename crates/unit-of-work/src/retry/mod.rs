//! The retry loop: an operation with a conflict is run again as a whole, on a fresh unit.
//!
//! The loop is *around* the schema, because an extension can run an operation only once. Each attempt is a new request with fresh operation
//! data, fresh loaders and a fresh unit. The caller's request data is kept for all attempts, and reaches the resolvers as session data.

pub(crate) mod attempt;
pub(crate) mod batch;
pub(crate) mod notes;
pub(crate) mod road;
pub(crate) mod snapshots;
pub(crate) mod template;

mod attempts;
mod policy;

use std::sync::Arc;

use async_graphql::{
    BatchRequest, BatchResponse, Data, Executor, Request, Response, parser::types::OperationType,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

pub(crate) use attempts::Attempts;
pub use policy::RetryPolicy;

use crate::{
    operation::{respond, select::kind_of},
    retry::{
        road::{NotCarried, Road},
        snapshots::Snapshots,
        template::Template,
    },
    subscription::redelivery::Delivery,
};

/// Runs a schema's queries and mutations again after a conflict (a serialization failure, a deadlock, a busy database, at a statement or at
/// COMMIT), after a connection was lost before COMMIT, or during COMMIT if the database shows that nothing happened, and while the database
/// cannot be reached. The client sees one answer.
///
/// The error codes that the database gave to the unit decide whether to run again, and never the errors in the response.
///
/// # What is not run again
/// - A subscription; its events are, if [`redeliver`](crate::redeliver) makes its stream. A request that only
///   names its document (a persisted query, found by an extension of the schema) is run to learn what it is; a subscription
///   among these is then begun once, as a stream of its own.
/// - A request with uploads: they can be read only once.
/// - An operation whose outcome is not known, or whose deadline has passed.
/// - A request with data of its own *and* session data (a WebSocket's): there is no way to keep the first.
/// - A request of a dynamic schema with data that [`Retrying::carries`] was not told of.
///
/// For requests through it, extensions' `subscribe` hook runs instead of their `request` hook: only there does async-graphql accept shared
/// data.
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
    road: Road,
}

impl<E: Executor> Retrying<E> {
    /// Runs operations of `executor`, a schema with a [`UnitOfWorkExtension`](crate::UnitOfWorkExtension), by the default
    /// [`RetryPolicy`].
    pub fn new(executor: E) -> Self {
        Self {
            executor,
            policy: RetryPolicy::default(),
            snapshots: Arc::default(),
            road: Road::default(),
        }
    }

    /// Replaces the policy.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Names a type of the data in requests, or in the sessions of WebSockets, that resolvers of a *dynamic* schema read. Each attempt
    /// gets a clone of it. The types of this crate, `http::HeaderMap` and `SocketAddr` need not be named; other schemas share the data
    /// itself between attempts.
    ///
    /// A request of a dynamic schema whose data has a type that was not named is run, but not again. A batch that is all or nothing, or a
    /// query or mutation on a WebSocket whose session has such data, is refused
    /// ([`DYNAMIC_SCHEMA_REFUSED`](crate::codes::DYNAMIC_SCHEMA_REFUSED)).
    ///
    /// ```no_run
    /// # use async_graphql::{Executor, Request};
    /// # async fn example(schema: impl Executor) {
    /// use unit_of_work::Retrying;
    ///
    /// #[derive(Clone)]
    /// struct Locale(String);
    ///
    /// let executor = Retrying::new(schema).carries::<Locale>();
    /// let response = executor.execute(Request::new("{ one }").data(Locale("de".to_owned()))).await;
    /// # let _ = response; }
    /// ```
    #[must_use]
    pub fn carries<T: std::any::Any + Clone + Send + Sync>(mut self) -> Self {
        self.road.carry::<T>();
        self
    }

    /// Runs a query or mutation until there are no more attempts. `None` if it turns out to be a subscription, of which nothing has run.
    async fn attempts(&self, template: &mut Template, first: Request) -> Option<Response> {
        let mut attempts = Attempts::new(&self.policy);
        let document = template.document(&self.snapshots);
        if let Some(document) = document {
            attempts.without_transaction = !self.snapshots.is_needed(document);
        }
        let mut attempt = attempts.next(None);
        let mut request = first;
        loop {
            let ran = self
                .road
                .run(template, &self.executor, request, &attempt)
                .await;
            let response = match ran {
                Ok(response) => response,
                // Boxed: it is rare.
                Err(NotCarried) => {
                    return Some(Box::pin(self.road.once(template, &self.executor)).await);
                }
            };
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

    /// As [`Template::of`], for what may be a subscription. A dynamic schema gets one set of data for each attempt, so that of the
    /// request and that of its session are no two.
    fn template(
        &self,
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> Result<(Template, Request), Box<Request>> {
        if let Some(session) = &session
            && self.road.is_dynamic()
            && !request.data.is_empty()
            && kind_of(&mut request) != Some(OperationType::Subscription)
            && self.road.add_session(session, &mut request).is_ok()
        {
            return Template::of(request, None);
        }
        Template::of(request, session)
    }

    async fn one_by_one(&self, requests: Vec<Request>) -> Vec<Response> {
        let mut responses = Vec::with_capacity(requests.len());
        for request in requests {
            responses.push(self.execute(request).await);
        }
        responses
    }
}

#[cfg_attr(boxed_trait, async_trait::async_trait)]
impl<E: Executor> Executor for Retrying<E> {
    async fn execute(&self, request: Request) -> Response {
        match Template::of(request, None) {
            Ok((mut template, first)) => self
                .attempts(&mut template, first)
                .await
                .unwrap_or_else(|| Response::from_errors(vec![respond::no_subscription()])),
            // Boxed: it is rare, and would make the future of every operation larger.
            Err(request) => Box::pin(self.executor.execute(*request)).await,
        }
    }

    /// Runs the operations one after another, in order. Each is a unit of its own with its own outcome; if a request's data has
    /// [`AllOrNothing`](crate::AllOrNothing), all of them are one unit.
    async fn execute_batch(&self, batch: BatchRequest) -> BatchResponse {
        match batch {
            BatchRequest::Single(request) => BatchResponse::Single(self.execute(request).await),
            BatchRequest::Batch(requests) if requests.iter().any(batch::is_all_or_nothing) => {
                BatchResponse::Batch(
                    batch::run(&self.executor, &self.road, &self.policy, requests).await,
                )
            }
            BatchRequest::Batch(requests) => BatchResponse::Batch(self.one_by_one(requests).await),
        }
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        match self.template(request, session.clone()) {
            Ok((mut template, first)) => {
                let retrying = self.clone();
                stream::once(async move {
                    match retrying.attempts(&mut template, first).await {
                        Some(response) => stream::once(std::future::ready(response)).boxed(),
                        None => template.stream(&retrying.executor, &retrying.policy),
                    }
                })
                .flatten()
                .boxed()
            }
            Err(mut request) => {
                let kind = kind_of(&mut request);
                let request = request.data(Delivery::new(&self.policy));
                let road = self.road.clone();
                self.executor
                    .execute_stream(request, session)
                    .map(move |response| road.told(kind, response))
                    .boxed()
            }
        }
    }
}
