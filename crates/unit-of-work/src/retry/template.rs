//! Requests that can be repeated.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response, parser::types::OperationType};
use futures_util::{StreamExt, stream::BoxStream};

use crate::{
    operation::select::kind_of,
    retry::{
        RetryPolicy,
        attempt::Attempt,
        snapshots::{Document, Snapshots},
    },
    subscription::redelivery::Delivery,
};

/// A template from which the request of each attempt is made.
pub(crate) struct Template {
    kind: Option<OperationType>,
    query: String,
    pub(crate) operation_name: Option<String>,
    variables: async_graphql::Variables,
    extensions: async_graphql::Extensions,
    introspection_mode: async_graphql::IntrospectionMode,
    data: Arc<Data>,
}

impl Template {
    /// Makes a template of a request, and returns the first request with its parsed document. A request that can be run only once is
    /// returned as an error.
    ///
    /// A request that only names its document, which an extension of the schema will find, may be a query or a mutation. It is run, and
    /// [`Attempt::is_subscription`] is called if it turns out to be a subscription, before its stream is begun.
    pub(crate) fn of(
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> Result<(Self, Request), Box<Request>> {
        let kind = kind_of(&mut request);
        if kind == Some(OperationType::Subscription) {
            return Err(Box::new(request));
        }
        if !request.uploads.is_empty() || (session.is_some() && !request.data.is_empty()) {
            return Err(Box::new(request));
        }
        Ok(Self::new(request, kind, session))
    }

    /// As [`Template::of`], for a request that can be repeated.
    pub(crate) fn new(
        mut request: Request,
        kind: Option<OperationType>,
        session: Option<Arc<Data>>,
    ) -> (Self, Request) {
        let data = std::mem::take(&mut request.data);
        let template = Self {
            kind,
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables: request.variables.clone(),
            extensions: request.extensions.clone(),
            introspection_mode: request.introspection_mode,
            data: session.unwrap_or_else(|| Arc::new(data)),
        };
        (template, request)
    }

    /// The key of a query's document in [`Snapshots`]. `None` for a mutation.
    pub(crate) fn document(&self, snapshots: &Snapshots) -> Option<Document> {
        if self.kind == Some(OperationType::Mutation) {
            return None;
        }
        let persisted = self.extensions.get("persistedQuery");
        snapshots.document(&self.query, persisted, self.operation_name.as_deref())
    }

    /// Makes the request for a stream of events, with the data of all attempts.
    pub(crate) fn stream(
        &self,
        executor: &impl Executor,
        policy: &RetryPolicy,
    ) -> BoxStream<'static, Response> {
        let request = self.again().data(Delivery::new(policy));
        executor.execute_stream(request, Some(Arc::clone(&self.data)))
    }

    /// The data of all attempts.
    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    /// Takes the data for the only attempt. `None` if other requests share it.
    pub(super) fn take_data(&mut self) -> Option<Data> {
        Arc::try_unwrap(std::mem::take(&mut self.data)).ok()
    }

    /// Makes the request for another attempt.
    pub(crate) fn again(&self) -> Request {
        let mut request = Request::new(self.query.clone()).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation_name);
        request.extensions.clone_from(&self.extensions);
        request.introspection_mode = self.introspection_mode;
        request
    }

    pub(crate) async fn run(
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
