//! The consistency token that all clients share: that of the newest answer which any of them has had.
//!
//! An operation shows it. So what is read must not be older than what anybody was told before the operation began, wherever it is read: the
//! check asks no less of reads on replicas than of reads on the primary.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The newest token; none before the first, and after a failover that may have lost what it stood for.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<Option<String>>);

impl Tokens {
    fn with<T>(&self, act: impl FnOnce(&mut Option<String>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What an operation shows.
    pub fn newest(&self) -> Option<String> {
        self.with(|newest| newest.clone())
    }

    /// Takes note of an answer's token: of two, the greater text is the newer.
    pub fn see(&self, token: Option<&str>) {
        self.with(|newest| {
            if token > newest.as_deref() {
                *newest = token.map(str::to_owned);
            }
        });
    }

    /// Forgets the token that was shown, if the answer says that what it stands for may be lost.
    pub fn judge(&self, shown: Option<&str>, answer: &Value) {
        let mut errors = answer["errors"].as_array().into_iter().flatten();
        if errors.any(|error| error["extensions"]["code"] == "CONSISTENCY_LOST") {
            self.with(|newest| {
                if newest.as_deref() == shown {
                    *newest = None;
                }
            });
        }
    }
}
