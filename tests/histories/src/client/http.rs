//! An operation over HTTP.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use super::{
    answer::OUTCOME_UNKNOWN,
    operation::{Operation, together},
    tokens::Tokens,
};

const TOKEN: &str = "x-consistency";

/// A client with connections of its own, that are kept alive.
#[derive(Debug, Default)]
pub struct Http(reqwest::Client);

impl Http {
    /// The answer: JSON, whatever the status. Else why there is none.
    pub async fn send(
        &self,
        address: SocketAddr,
        operation: &Operation,
        tokens: &Tokens,
        patience: Duration,
    ) -> Result<Value, String> {
        let shown = tokens.newest();
        let request = || {
            let request = self.0.post(format!("http://{address}/graphql"));
            let mut request = if operation.is_batch {
                let request = request.header("x-batch", "all-or-nothing");
                request.json(&operation.batch_body())
            } else {
                request.json(&operation.body())
            };
            if let Some(key) = &operation.key {
                request = request.header("idempotency-key", format!("\"{key}\""));
            }
            if operation.is_dry_run() {
                request = request.header("x-dry-run", "true");
            }
            if let Some(token) = &shown {
                request = request.header(TOKEN, token);
            }
            request.send()
        };
        let once = || async {
            let response = request().await.map_err(|error| reason(&error))?;
            let token = response.headers().get(TOKEN).cloned();
            let answer = response.json().await.map_err(|error| reason(&error))?;
            let answer = together(answer);
            tokens.see(token.as_ref().and_then(|token| token.to_str().ok()));
            tokens.judge(shown.as_deref(), &answer);
            Ok(answer)
        };
        let answered = async {
            if operation.is_sent_twice {
                let (first, second) = tokio::join!(once(), once());
                better(first, second)
            } else {
                once().await
            }
        };
        match timeout(patience, answered).await {
            Ok(answered) => answered,
            Err(_) => Err("timeout".to_owned()),
        }
    }
}

/// In a few words, for there are thousands.
fn reason(error: &reqwest::Error) -> String {
    let what = if error.is_connect() {
        "not connected"
    } else if error.is_decode() {
        "no JSON"
    } else {
        "connection lost"
    };
    what.to_owned()
}

/// Of two answers to the same operation the one that says more: success, then that nobody knows. One refusal means nothing
/// while the other request is still on its way.
fn better(first: Result<Value, String>, second: Result<Value, String>) -> Result<Value, String> {
    let is_success = |answer: &Result<Value, String>| {
        answer
            .as_ref()
            .is_ok_and(|answer| answer["errors"].is_null())
    };
    let is_refusal = |answer: &Result<Value, String>| {
        answer.as_ref().is_ok_and(|answer| {
            let errors = answer["errors"].as_array().into_iter().flatten();
            let mut codes = errors.map(|error| &error["extensions"]["code"]);
            codes.all(|code| code != OUTCOME_UNKNOWN)
        })
    };
    if is_success(&second) || is_refusal(&first) && !is_success(&first) {
        second
    } else {
        first
    }
}
