//! A request that can be made again.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response, parser::types::OperationType};
use futures_util::StreamExt;

use crate::{
    operation::kind_of,
    retry::Attempt,
    snapshots::{Document, Snapshots},
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
    /// Notes what it takes to make the request again, and answers the first one, which keeps its parsed document; or gives
    /// the request back if it must be run as it is, once.
    pub(crate) fn of(
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> Result<(Self, Request), Box<Request>> {
        // What does not parse is the schema's to refuse.
        let kind = match kind_of(&mut request) {
            Some(OperationType::Subscription) | None => return Err(Box::new(request)),
            kind => kind,
        };
        if !request.uploads.is_empty() || (session.is_some() && !request.data.is_empty()) {
            return Err(Box::new(request));
        }
        Ok(Self::new(request, kind, session))
    }

    /// The same, for what surely can be made again.
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

    /// What a query's document is known by.
    pub(crate) fn document(&self, snapshots: &Snapshots) -> Option<Document> {
        let name = self.operation_name.as_deref();
        (self.kind == Some(OperationType::Query)).then(|| snapshots.document(&self.query, name))
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
