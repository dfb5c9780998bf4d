//! Answers GraphQL requests over a schema that has everything, from one table: a JSON object a line in, and one a line out.
//!
//! `{"id", "document", "operationName", "variables", "table", "stream"}` is answered with `{"id", "responses", "executed"}`:
//! one response, or those of the stream's events; and what the mutations did, in order. `--schema` prints the schema, and with
//! `--engine` the engine executes documents as they come.

mod directives;
mod inputs;
mod mutation;
mod objects;
mod query;
mod subscription;
mod table;

use std::{
    io::{BufRead, Write},
    panic::AssertUnwindSafe,
};

use async_graphql::{Request, Response, SDLExportOptions, Schema, ServerError, Variables};
use futures_util::{FutureExt, StreamExt};
use graphql_operation::{Limits, Options, PreparedOperations, Scalars};
use serde::{Deserialize, Serialize};

use crate::{
    directives::{Everywhere, OnField, Once},
    inputs::Even,
    mutation::{Executed, Mutation},
    query::Query,
    subscription::Subscription,
    table::Table,
};

/// No stream of the schema has more events.
const EVENTS: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    id: serde_json::Value,
    document: String,
    operation_name: Option<String>,
    #[serde(default)]
    variables: serde_json::Value,
    #[serde(default)]
    table: u32,
    #[serde(default)]
    stream: bool,
}

#[derive(Serialize)]
struct Answered {
    id: serde_json::Value,
    responses: Vec<Response>,
    executed: Vec<String>,
}

type Toy = Schema<Query, Mutation, Subscription>;

/// The schema, executing prepared operations, or as the engine alone has it.
fn schema(is_prepared: bool) -> Toy {
    let schema = Schema::build(Query, Mutation, Subscription)
        .directive(Everywhere)
        .directive(Once)
        .directive(OnField);
    if !is_prepared {
        return schema.finish();
    }
    let options = Options::default()
        .limits(Limits::none())
        .scalars(Scalars::new().scalar::<Even>());
    schema.extension(PreparedOperations::new(options)).finish()
}

async fn responses(schema: &Toy, request: Request, is_stream: bool) -> Vec<Response> {
    if is_stream {
        return schema.execute_stream(request).take(EVENTS).collect().await;
    }
    vec![schema.execute(request).await]
}

async fn answer(schema: &Toy, asked: Asked) -> Answered {
    let executed = Executed::default();
    let mut request = Request::new(asked.document)
        .variables(Variables::from_json(asked.variables))
        .data(Table(asked.table))
        .data(executed.clone());
    request.operation_name = asked.operation_name;
    let responses = AssertUnwindSafe(responses(schema, request, asked.stream))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            let panicked = ServerError::new("the engine panicked", None);
            vec![Response::from_errors(vec![panicked])]
        });
    Answered {
        id: asked.id,
        responses,
        executed: executed.take(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let has = |flag| std::env::args().any(|argument| argument == flag);
    let schema = schema(!has("--engine"));
    // What panics is answered, and not written to the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    if has("--schema") {
        let options = SDLExportOptions::new().include_specified_by();
        out.write_all(schema.sdl_with_options(options).as_bytes())?;
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&schema, serde_json::from_str(&line?)?).await;
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}
