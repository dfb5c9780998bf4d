//! Each row of `docs/async-graphql-faults.md`: what the engine alone makes of a document, and what it makes of the prepared one.
//!
//! A test that fails here after an update of async-graphql is good news: the row can go.

mod cost;
mod execution;
mod introspection;
mod reading;
mod schema;
mod validation;

use std::panic::AssertUnwindSafe;

use async_graphql::{
    Request, Response, Schema, ValidationMode, Variables,
    futures_util::{FutureExt, StreamExt},
};
use graphql_operation::{Options, PreparedOperations, Scalars};
use serde_json::{Value as Json, json};

use schema::{Calls, Events, Fails, Money, Mutation, Query};

/// One of the two ways to execute a document.
struct Server {
    schema: Schema<Query, Mutation, Events>,
    calls: Calls,
}

/// The engine alone.
fn engine() -> Server {
    server(None, ValidationMode::Strict)
}

/// The engine alone, with the few rules of its fast validation.
fn fast_engine() -> Server {
    server(None, ValidationMode::Fast)
}

/// The engine with prepared operations.
fn prepared() -> Server {
    let options = Options::default().scalars(Scalars::new().scalar::<Money>());
    server(
        Some(PreparedOperations::new(options)),
        ValidationMode::Strict,
    )
}

fn server(prepared: Option<PreparedOperations>, validation: ValidationMode) -> Server {
    let calls = Calls::default();
    let builder = Schema::build(Query, Mutation, Events)
        .directive(schema::Implements)
        .validation_mode(validation)
        .data(calls.clone());
    let schema = match prepared {
        Some(prepared) => builder.extension(prepared).finish(),
        None => builder.finish(),
    };
    Server { schema, calls }
}

impl Server {
    async fn run(&self, document: &str) -> Json {
        self.with(document, json!({})).await
    }

    async fn with(&self, document: &str, variables: Json) -> Json {
        let request = Request::new(document).variables(Variables::from_json(variables));
        self.request(request).await
    }

    /// Where the fields fail that can.
    async fn failing(&self, document: &str) -> Json {
        self.request(Request::new(document).data(Fails)).await
    }

    async fn request(&self, request: Request) -> Json {
        let response = AssertUnwindSafe(self.schema.execute(request)).catch_unwind();
        match response.await {
            Ok(response) => serde_json::to_value(response).unwrap(),
            Err(_) => json!("it panicked"),
        }
    }

    async fn events(&self, document: &str) -> Vec<Json> {
        let events: Vec<Response> = self.schema.execute_stream(document).collect().await;
        let events = events.iter().map(serde_json::to_value);
        events.map(Result::unwrap).collect()
    }

    async fn is_valid(&self, document: &str) -> bool {
        // Nothing has this name, which is found out after validation.
        let response = self
            .request(Request::new(document).operation_name("none"))
            .await;
        let message = response["errors"][0]["message"]
            .as_str()
            .unwrap_or_default();
        message.starts_with("Unknown operation")
    }
}

#[track_caller]
fn data(response: &Json, expected: &Json) {
    assert_eq!(response.get("errors"), None, "{response}");
    assert_eq!(response["data"], *expected, "{response}");
}

#[track_caller]
fn fails(response: &Json) -> &Json {
    let error = &response["errors"][0];
    assert!(error.is_object(), "{response}");
    error
}
