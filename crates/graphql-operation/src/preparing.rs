//! An executor that prepares operations before another one sees them.

use std::sync::Arc;

use async_graphql::{
    BatchRequest, BatchResponse, Data, Executor, Request, Response,
    futures_util::{StreamExt, stream, stream::BoxStream},
};

use crate::{error::Refused, prepare::Preparer};

/// Prepares every operation before another executor sees it. What cannot be prepared does not reach it.
///
/// The schema itself prepares what it executes ([`PreparedOperations`](crate::PreparedOperations)). This is for executors around
/// a schema that have to know what an operation is before they hand it on, such as one that runs operations again.
///
/// ```
/// # use async_graphql::{EmptyMutation, EmptySubscription, Executor, Object, Request};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # fn around<E: Executor>(schema: E) -> E { schema }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), graphql_operation::SchemaError> {
/// use graphql_operation::{Options, PreparedOperations, Preparer, Preparing, Schema};
///
/// let sdl = async_graphql::Schema::new(Query, EmptyMutation, EmptySubscription).sdl();
/// let preparer = Preparer::new(Schema::parse(&sdl)?, Options::default());
/// let schema = async_graphql::Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(PreparedOperations::of(preparer.clone()))
///     .finish();
/// let executor = Preparing::new(preparer, around(schema));
/// assert!(executor.execute(Request::new("{ one }")).await.is_ok());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Preparing<E> {
    preparer: Preparer,
    executor: E,
}

impl<E> Preparing<E> {
    /// Prepares what this executor is given.
    pub fn new(preparer: Preparer, executor: E) -> Self {
        Self { preparer, executor }
    }

    fn prepare(&self, request: &mut Request) -> Result<(), Refused> {
        let prepared = self.preparer.admit(request)?;
        // For executors that look at the document, and schemas without the extension.
        request.set_parsed_query(prepared.document(&request.variables));
        Ok(())
    }
}

impl<E: Executor> Executor for Preparing<E> {
    async fn execute(&self, mut request: Request) -> Response {
        match self.prepare(&mut request) {
            Ok(()) => self.executor.execute(request).await,
            Err(refused) => refused.into_response(),
        }
    }

    /// A batch is handed on as a whole. What could not be prepared is in it without its document, which nobody executes: whoever
    /// makes the batch one thing has to see that a part of it failed.
    async fn execute_batch(&self, batch: BatchRequest) -> BatchResponse {
        let mut requests = match batch {
            BatchRequest::Single(request) => {
                return BatchResponse::Single(self.execute(request).await);
            }
            BatchRequest::Batch(requests) => requests,
        };
        let mut refusals = Vec::with_capacity(requests.len());
        for request in &mut requests {
            let outcome = self.prepare(request);
            if outcome.is_err() {
                request.query.clear();
            }
            refusals.push(outcome.err());
        }
        let answered = self
            .executor
            .execute_batch(BatchRequest::Batch(requests))
            .await;
        let mut responses = match answered {
            BatchResponse::Batch(responses) => responses,
            BatchResponse::Single(response) => vec![response],
        };
        for (response, refusal) in responses.iter_mut().zip(refusals) {
            if let Some(refusal) = refusal {
                response.errors = refusal.into_errors();
            }
        }
        BatchResponse::Batch(responses)
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let outcome = match session {
            // An executor that runs operations again takes a session's data or a request's, not both. The schema finds out for
            // itself what this one is.
            Some(_) => self.preparer.prepare(&mut request).map(|prepared| {
                request.operation_name = prepared.name().map(str::to_owned);
                request.set_parsed_query(prepared.document(&request.variables));
            }),
            None => self.prepare(&mut request),
        };
        match outcome {
            Ok(()) => self.executor.execute_stream(request, session),
            Err(refused) => stream::iter([refused.into_response()]).boxed(),
        }
    }
}
