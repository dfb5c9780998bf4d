//! Judges documents, for comparison with other implementations of GraphQL: JSON lines in, JSON lines out.
//!
//! The first line is `{"sdl": "…"}`. Each line after it is
//! `{"id": 1, "document": "…", "operationName": null | "…", "variables": {…}}`, and is answered by
//! `{"id": 1, "valid": true | false, "errors": [{"message", "locations", "code"}], "normalised": "…" | null, "variables": {…}, "measure": {…}}`.
//!
//! `valid` is what validation says; a document whose variables do not fit, or in which there is no such operation, is valid,
//! and has errors with another code than `GRAPHQL_PARSE_FAILED` and `GRAPHQL_VALIDATION_FAILED`.

use std::io::{BufRead, BufWriter, Write};

use async_graphql::{Request, Variables};
use graphql_operation::{Limits, Options, Preparer, Refused, Scalars, Schema, Stage};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let first: Value = serde_json::from_str(&lines.next().ok_or("no schema")??)?;
    let schema = Schema::parse(first["sdl"].as_str().ok_or("`sdl` is missing")?)?;
    let scalars = Scalars::new().check("Even", even);
    let options = Options::default().limits(Limits::none()).scalars(scalars);
    let preparer = Preparer::new(schema, options);
    for line in lines {
        let asked: Value = serde_json::from_str(&line?)?;
        let judgement = judge(&preparer, &asked);
        serde_json::to_writer(&mut out, &judgement)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

/// The one scalar that the schemas of comparisons have and that does not take everything.
fn even(value: &async_graphql::Value) -> Result<(), String> {
    match value {
        async_graphql::Value::Number(number) if number.as_i64().is_some_and(|n| n % 2 == 0) => {
            Ok(())
        }
        other => Err(format!("Even cannot represent {other}")),
    }
}

fn judge(preparer: &Preparer, asked: &Value) -> Value {
    let mut request = Request::new(asked["document"].as_str().unwrap_or_default());
    request.operation_name = asked["operationName"].as_str().map(str::to_owned);
    if asked["variables"].is_object() {
        request.variables = Variables::from_json(asked["variables"].clone());
    }
    match preparer.prepare(&mut request) {
        Ok(prepared) => {
            let measure = prepared.measure();
            json!({
                "id": asked["id"],
                "valid": true,
                "errors": [],
                "normalised": prepared.to_string(),
                "variables": request.variables,
                "measure": {
                    "depth": measure.depth,
                    "rootFields": measure.root_fields,
                    "aliases": measure.aliases,
                    "directives": measure.directives,
                    "complexity": measure.complexity,
                    "introspects": measure.introspects,
                },
            })
        }
        Err(refused) => refusal(asked, &refused),
    }
}

fn refusal(asked: &Value, refused: &Refused) -> Value {
    let errors = refused.errors().iter().map(|error| {
        let stage = error.source::<Stage>().copied();
        json!({
            "message": error.message,
            "locations": error.locations,
            "code": stage.map(Stage::code),
        })
    });
    // A literal that its scalar does not take is the document's, not the variables'.
    let is_of_variables = |message: &str| message.starts_with("Variable ");
    let is_valid = match refused.stage() {
        Stage::UserInput => refused
            .errors()
            .iter()
            .all(|error| is_of_variables(&error.message)),
        stage => stage == Stage::OperationResolution,
    };
    json!({
        "id": asked["id"],
        "valid": is_valid,
        "errors": errors.collect::<Vec<_>>(),
        "normalised": null,
        "variables": {},
        "measure": null,
    })
}
