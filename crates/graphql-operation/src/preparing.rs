//! An executor that prepares operations for another executor.

use std::sync::Arc;

use async_graphql::{
    BatchRequest, BatchResponse, Data, Executor, Request, Response,
    futures_util::{StreamExt, stream, stream::BoxStream},
};

use crate::{error::Refused, prepare::Preparer};

/// Prepares every operation before another executor gets it. Operations that cannot be prepared do not reach it.
///
/// A schema with [`PreparedOperations`](crate::PreparedOperations) prepares operations itself. This is for executors around a schema that
/// need to know an operation before the schema does, such as one that retries operations.
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
    /// Prepares operations for this executor.
    pub fn new(preparer: Preparer, executor: E) -> Self {
        Self { preparer, executor }
    }

    fn prepare(&self, request: &mut Request) -> Result<(), Refused> {
        let hash = self.preparer.put_text(request)?;
        let admitted = self.preparer.admit(request);
        self.preparer.keep_text(hash, request);
        let prepared = admitted?;
        // For executors that read the document, and for schemas without the extension.
        request.set_parsed_query(prepared.document(&request.variables));
        Ok(())
    }

    /// Prepares a request whose data a retrying executor does not use. So the schema prepares it once more itself.
    fn prepare_within_session(&self, request: &mut Request) -> Result<(), Refused> {
        let hash = self.preparer.put_text(request)?;
        let prepared = self.preparer.prepare(request);
        self.preparer.keep_text(hash, request);
        let prepared = prepared?;
        request.operation_name = prepared.name().map(str::to_owned);
        request.set_parsed_query(prepared.document(&request.variables));
        Ok(())
    }
}

#[cfg_attr(boxed_trait, async_graphql::async_trait::async_trait)]
impl<E: Executor> Executor for Preparing<E> {
    async fn execute(&self, mut request: Request) -> Response {
        match self.prepare(&mut request) {
            Ok(()) => self.executor.execute(request).await,
            Err(refused) => refused.into_response(),
        }
    }

    /// Hands a batch on as a whole. An operation that could not be prepared stays in it with an empty document, so that it is not executed,
    /// and an executor that treats the batch as one unit sees it fail.
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
            // A retrying executor uses either a session's data or a request's, not both.
            Some(_) => self.prepare_within_session(&mut request),
            None => self.prepare(&mut request),
        };
        match outcome {
            Ok(()) => self.executor.execute_stream(request, session),
            Err(refused) => stream::iter([refused.into_response()]).boxed(),
        }
    }
}
