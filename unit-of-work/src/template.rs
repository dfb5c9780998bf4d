//! A request that can be made again.

use std::sync::Arc;

use async_graphql::{
    Data, Executor, Request, Response,
    parser::types::{DocumentOperations, OperationType},
};
use futures_util::StreamExt;

use crate::{
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
        let runs_once = !request.uploads.is_empty()
            || (session.is_some() && !request.data.is_empty())
            // What does not parse is the schema's to refuse.
            || matches!(kind_of(&mut request), None | Some(OperationType::Subscription));
        if runs_once {
            return Err(Box::new(request));
        }
        Ok(Self::new(request, session))
    }

    /// The same, for what surely can be made again.
    pub(crate) fn new(mut request: Request, session: Option<Arc<Data>>) -> (Self, Request) {
        let data = std::mem::take(&mut request.data);
        let template = Self {
            kind: kind_of(&mut request),
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

/// What kind of operation the request surely is, if it is one.
pub(crate) fn kind_of(request: &mut Request) -> Option<OperationType> {
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    let operation = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name.as_str()),
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    };
    operation.map(|operation| operation.node.ty)
}
