//! A request that can be made again.

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

/// A query or mutation that can be run again.
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
    /// Keeps what is needed to make the request again, and hands the first request on, with its parsed document. A request that can
    /// be run only once is given back.
    ///
    /// A request whose text does not tell what it is may still be a query or a mutation: one that only names its document,
    /// for an extension of the schema to find. It is run, and [`Attempt::is_subscription`] says where it turned out to be
    /// a subscription, before any stream of it is begun.
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

    /// As [`Template::of`], for a request that is known to be repeatable.
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

    /// The key under which the document of a query is remembered. `None` for a mutation.
    pub(crate) fn document(&self, snapshots: &Snapshots) -> Option<Document> {
        if self.kind == Some(OperationType::Mutation) {
            return None;
        }
        let persisted = self.extensions.get("persistedQuery");
        snapshots.document(&self.query, persisted, self.operation_name.as_deref())
    }

    /// The request, with the data of all attempts, for a stream of events.
    pub(crate) fn stream(
        &self,
        executor: &impl Executor,
        policy: &RetryPolicy,
    ) -> BoxStream<'static, Response> {
        let request = self.again().data(Delivery::new(policy));
        executor.execute_stream(request, Some(Arc::clone(&self.data)))
    }

    /// The request, for another attempt.
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
