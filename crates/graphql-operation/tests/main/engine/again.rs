//! What was prepared for a request, when it is executed again or another request is.

use std::sync::{Arc, atomic::Ordering};

use async_graphql::{
    BatchRequest, BatchResponse, Executor, Request, Response, Schema,
    futures_util::{StreamExt, stream},
};
use graphql_operation::{Options, PreparedOperation, Preparer, Preparing};
use serde_json::{Value as Json, json};

use super::server::{Events, Mutation, Query, Server};

/// An executor that looks at what it is given, and runs it twice.
#[derive(Clone)]
struct Twice(Schema<Query, Mutation, Events>);

impl Executor for Twice {
    async fn execute(&self, mut request: Request) -> Response {
        let prepared = request
            .data
            .get(&std::any::TypeId::of::<Arc<PreparedOperation>>())
            .and_then(|prepared| prepared.downcast_ref::<Arc<PreparedOperation>>());
        assert!(prepared.is_some() || request.query.is_empty());
        let data = Arc::new(std::mem::take(&mut request.data));
        let mut again = Request::new(request.query.clone()).variables(request.variables.clone());
        again.operation_name.clone_from(&request.operation_name);
        let mut last = Response::default();
        for request in [request, again] {
            let mut responses = self
                .0
                .execute_stream_with_session_data(request, Arc::clone(&data));
            last = responses.next().await.unwrap();
        }
        last
    }

    fn execute_stream(
        &self,
        request: Request,
        session: Option<Arc<async_graphql::Data>>,
    ) -> stream::BoxStream<'static, Response> {
        self.0
            .execute_stream_with_session_data(request, session.unwrap_or_default())
            .boxed()
    }
}

#[tokio::test]
async fn what_runs_again_is_what_was_prepared() {
    let Server { schema, sum } = Server::new();
    let preparer = Preparer::new(
        graphql_operation::Schema::parse(&schema.sdl()).unwrap(),
        Options::default(),
    );
    let executor = Preparing::new(preparer, Twice(schema));
    let document = "mutation M($by: Int = 3, $no: Boolean = true) { add(by: $by) { one } add(by: $by) { two } x: add(by: 100) @skip(if: $no) { one } }";
    let response = executor.execute(Request::new(document)).await;
    assert_eq!(
        response.data.to_string(),
        "{add: {one: 1, two: 2}}",
        "{:?}",
        response.errors
    );
    assert_eq!(sum.load(Ordering::SeqCst), 6);

    // A batch is handed on as a whole; what is refused in it does not run.
    let requests = [
        "mutation { add(by: 1) { one } }",
        "mutation { add(by: 1, by: 2) { one } }",
        "{ number }",
    ];
    let batch = BatchRequest::Batch(requests.map(Request::new).into());
    let BatchResponse::Batch(responses) = executor.execute_batch(batch).await else {
        panic!("one response");
    };
    let codes: Vec<_> = responses
        .iter()
        .map(|response| {
            serde_json::to_value(response).unwrap()["errors"][0]["extensions"]["code"].clone()
        })
        .collect();
    assert_eq!(
        codes,
        [Json::Null, json!("GRAPHQL_VALIDATION_FAILED"), Json::Null]
    );
    assert_eq!(sum.load(Ordering::SeqCst), 8);

    let events = executor.execute_stream(
        Request::new("subscription { ...F } fragment F on Events { added { one } }"),
        Some(Arc::default()),
    );
    assert_eq!(events.collect::<Vec<_>>().await.len(), 1);
    let events = executor.execute_stream(Request::new("subscription { added }"), None);
    let events: Vec<_> = events.collect().await;
    assert!(events.len() == 1 && events[0].is_err());
}

/// A session of many operations may carry what was prepared for another one.
#[tokio::test]
async fn what_was_prepared_for_another_request_is_not_taken() {
    let Server { schema, sum } = Server::new();
    let mut other = Request::new("mutation { add(by: 100) { one } }");
    let sdl = graphql_operation::Schema::parse(&schema.sdl()).unwrap();
    Preparer::new(sdl, Options::default())
        .admit(&mut other)
        .unwrap();
    let session = Arc::new(std::mem::take(&mut other.data));
    let request = Request::new("mutation { add(by: 1) { one } }");
    let mut responses = schema.execute_stream_with_session_data(request, session);
    assert!(responses.next().await.unwrap().is_ok());
    assert_eq!(sum.load(Ordering::SeqCst), 1);
}
