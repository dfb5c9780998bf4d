//! The consistency token that all clients share: that of the newest answer which any of them has had.
//!
//! An operation shows it. So what is read must not be older than what anybody was told before the operation began, wherever it is read: the
//! check asks no less of reads on replicas than of reads on the primary.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// What was answered to one request, and the tokens of both.
#[derive(Debug)]
pub struct Answered {
    /// The answer: JSON, whatever the status. Else why there is none.
    pub answer: Result<Value, String>,
    pub shown: Option<String>,
    pub told: Option<String>,
}

/// What is shown before the first token: it stands for nothing, and asks for one.
pub const FIRST: &str = "0";

/// The newest token; [`FIRST`] at the beginning, and after a failover that may have lost what it stood for.
#[derive(Debug)]
pub struct Tokens {
    newest: Mutex<String>,
    /// Whether operations show it.
    are_shown: bool,
}

impl Tokens {
    pub fn new(are_shown: bool) -> Self {
        Self {
            newest: Mutex::new(FIRST.to_owned()),
            are_shown,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut String) -> T) -> T {
        act(&mut self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What an operation shows.
    pub fn newest(&self) -> Option<String> {
        self.are_shown.then(|| self.with(|newest| newest.clone()))
    }

    /// Takes note of an answer, as the `fetch` in `docs/replicas.md` does: its token takes the place of the one that was shown; if another answer has
    /// come meanwhile, the greater text is the newer. The token that was shown is forgotten, if the answer says that what it stands for may be
    /// lost.
    pub fn see(&self, shown: Option<&str>, told: Option<&str>, answer: &Value) {
        let errors = answer["errors"].as_array().into_iter().flatten();
        let codes: Vec<_> = errors.map(|error| &error["extensions"]["code"]).collect();
        let is_lost = codes.iter().any(|code| *code == "CONSISTENCY_LOST");
        self.with(|newest| {
            if is_lost && Some(newest.as_str()) == shown {
                FIRST.clone_into(newest);
            }
            if let Some(told) = told
                && (told > newest.as_str() || Some(newest.as_str()) == shown)
            {
                told.clone_into(newest);
            }
        });
    }
}
