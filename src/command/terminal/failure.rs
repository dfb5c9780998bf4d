//! Why a command at the terminal did not do what was asked, how that is told, and its exit code.

use std::{io, process::ExitCode};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{paint::Paint, text::plain};
use crate::error::StartError;

/// What became of a command that did not do what was asked. Scripts go by the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Outcome {
    /// It cannot be done like this.
    Failed,
    /// The ledger refuses it.
    Refused,
    /// It was not done, and can be tried again.
    NotNow,
    /// It may have been done.
    Unknown,
    /// Whoever read the output has gone, and wants no more of it.
    Unread,
}

impl Outcome {
    fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unread => 0,
            Self::Failed => 1,
            // 2 is a wrong usage, which clap tells.
            Self::Refused => 3,
            Self::NotNow => 4,
            Self::Unknown => 5,
        })
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// The error's code, if the ledger answered with one.
    code: Option<String>,
    message: String,
    /// The other details of the error, for programs.
    details: Map<String, Json>,
}

/// An error of a GraphQL response.
#[derive(Debug, Deserialize)]
pub(super) struct GraphqlError {
    message: String,
    #[serde(default)]
    extensions: Map<String, Json>,
}

/// One of several things that are wrong with an input.
#[derive(Deserialize)]
struct Problem {
    message: String,
    code: Option<String>,
}

impl Failure {
    pub(super) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            code: None,
            message: message.into(),
            details: Map::new(),
        }
    }

    /// A refusal that is clear without asking the ledger.
    pub(super) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..Self::new(Outcome::Refused, message)
        }
    }

    /// The error that a ledger answered with.
    pub(super) fn told(error: GraphqlError) -> Self {
        let GraphqlError {
            message,
            extensions: mut details,
        } = error;
        let code = match details.remove("code") {
            Some(Json::String(code)) => Some(code),
            _ => None,
        };
        let outcome = match (code.as_deref(), details.get("retryable")) {
            (Some("OUTCOME_UNKNOWN"), _) => Outcome::Unknown,
            (Some("INTERNAL") | None, _) => Outcome::Failed,
            (_, Some(Json::Bool(true))) | (Some("DEADLINE_EXCEEDED" | "STATEMENT_TIMEOUT"), _) => {
                Outcome::NotNow
            }
            _ => Outcome::Refused,
        };
        let failure = Self {
            outcome,
            code,
            message,
            details,
        };
        match failure.code.as_deref() {
            Some("UNAUTHENTICATED") => failure.and("--token-file or DAYBOOK_TOKEN shows a token"),
            _ => failure,
        }
    }

    /// Adds a sentence to the message, such as what to do.
    pub(super) fn and(mut self, more: &str) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        self.outcome.exit_code()
    }

    /// What standard error is told: a line for people, with one for each of several problems; or a JSON object for programs.
    pub(super) fn text(&self, json: bool, paint: Paint) -> String {
        if self.outcome == Outcome::Unread {
            return String::new();
        }
        if json {
            let mut object = Map::new();
            object.insert("outcome".to_owned(), serde_json::json!(self.outcome));
            object.insert("code".to_owned(), serde_json::json!(self.code));
            object.insert("message".to_owned(), self.message.as_str().into());
            object.insert("details".to_owned(), self.details.clone().into());
            return format!("{}\n", Json::from(object));
        }
        let code = self
            .code
            .as_deref()
            .map(|code| format!("{}: ", paint.bad(&plain(code))));
        let mut text = format!(
            "daybook: {}{}\n",
            code.unwrap_or_default(),
            plain(&self.message)
        );
        // The message is that of the first.
        for problem in self.problems().iter().skip(1) {
            let code = problem.code.as_deref().unwrap_or("also");
            text += &format!("  {}: {}\n", plain(code), plain(&problem.message));
        }
        text
    }

    fn problems(&self) -> Vec<Problem> {
        let problems = self.details.get("problems").cloned().unwrap_or_default();
        serde_json::from_value(problems).unwrap_or_default()
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let outcome = match error {
            StartError::DatabaseUnreachable { .. } => Outcome::NotNow,
            _ => Outcome::Failed,
        };
        Self::new(outcome, error.to_string())
    }
}

/// An error of the output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Outcome::Unread, "nobody reads the output"),
            _ => Self::new(Outcome::Failed, format!("cannot write the output: {error}")),
        }
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_have_happened_is_not_taken_for_a_refusal() {
        for (extensions, outcome) in [
            (
                json!({ "code": "OUTCOME_UNKNOWN", "retryable": false }),
                Outcome::Unknown,
            ),
            (
                json!({ "code": "OVERLOADED", "retryable": true }),
                Outcome::NotNow,
            ),
            (
                json!({ "code": "CONFLICT_RETRIES_EXHAUSTED", "retryable": true }),
                Outcome::NotNow,
            ),
            (
                json!({ "code": "DEADLINE_EXCEEDED", "retryable": false }),
                Outcome::NotNow,
            ),
            (
                json!({ "code": "INSUFFICIENT_FUNDS", "retryable": false }),
                Outcome::Refused,
            ),
            (
                json!({ "code": "A_CODE_OF_LATER_VERSIONS" }),
                Outcome::Refused,
            ),
            (json!({ "code": "INTERNAL" }), Outcome::Failed),
            (json!({}), Outcome::Failed),
        ] {
            let error = json!({ "message": "why", "extensions": extensions });
            let failure = Failure::told(serde_json::from_value(error).unwrap());
            assert_eq!(failure.outcome, outcome, "{extensions}");
        }
    }
}
