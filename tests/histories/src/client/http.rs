//! An operation over HTTP.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use super::{
    answer::OUTCOME_UNKNOWN,
    operation::{Operation, together},
    tokens::{Answered, Tokens},
};

const TOKEN: &str = "x-consistency";

/// A client with connections of its own, that are kept alive.
#[derive(Debug, Default)]
pub struct Http(reqwest::Client);

impl Http {
    /// Sends an operation, and takes note of the token.
    pub async fn send(
        &self,
        address: SocketAddr,
        operation: &Operation,
        tokens: &Tokens,
        patience: Duration,
    ) -> Answered {
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
            let told = token.as_ref().and_then(|token| token.to_str().ok());
            tokens.see(shown.as_deref(), told, &answer);
            Ok((answer, told.map(str::to_owned)))
        };
        let answered = async {
            if operation.is_sent_twice {
                let (first, second) = tokio::join!(once(), once());
                better(first, second)
            } else {
                once().await
            }
        };
        let answered = timeout(patience, answered).await;
        let (answer, told) = match answered.unwrap_or_else(|_| Err("timeout".to_owned())) {
            Ok((answer, told)) => (Ok(answer), told),
            Err(why) => (Err(why), None),
        };
        Answered {
            answer,
            shown,
            told,
        }
    }
}

/// What came back: the answer, and its token.
type Back = Result<(Value, Option<String>), String>;

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
fn better(first: Back, second: Back) -> Back {
    let is_success = |back: &Back| {
        back.as_ref()
            .is_ok_and(|(answer, _)| answer["errors"].is_null())
    };
    let is_refusal = |back: &Back| {
        back.as_ref().is_ok_and(|(answer, _)| {
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
