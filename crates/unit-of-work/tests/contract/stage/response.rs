//! What was answered.

use async_graphql::{Response, Value};

pub fn data(response: &Response) -> serde_json::Value {
    response.data.clone().into_json().expect("is JSON")
}

pub fn codes(response: &Response) -> Vec<String> {
    let code = |error: &async_graphql::ServerError| match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    };
    response
        .errors
        .iter()
        .map(|error| code(error).unwrap_or_default())
        .collect()
}

/// `extensions.unitOfWork`.
pub fn report(response: &Response) -> serde_json::Value {
    response.extensions["unitOfWork"]
        .clone()
        .into_json()
        .expect("is JSON")
}

pub fn outcome(response: &Response) -> String {
    report(response)["outcome"]
        .as_str()
        .expect("an outcome")
        .to_owned()
}
