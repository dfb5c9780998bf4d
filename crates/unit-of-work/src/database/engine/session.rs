//! What the session of a new connection must be, and the proof that it is.
//!
//! Isolation, access mode and time-outs are set when a connection is made, so that they cost an operation no statement. But
//! what sets them may be dropped on the way without a word: a pooler ignores start-up options, an SQLite was built without
//! a feature. So each new connection is asked once, and one that is not as asked is never used.
//!
//! Settings that are not sent are asked for too where the contract rests on them: a role or a database may have its own.

use thiserror::Error;

/// Why a connection cannot be used, although it was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum SessionError {
    /// A setting is not as asked.
    #[error("the session has `{setting}` = `{found}`, and should have `{asked}`; {advice}")]
    NotAsAsked {
        setting: String,
        asked: String,
        found: String,
        advice: &'static str,
    },
    /// The session is for writing, and the server takes no writes now. That may pass: another server takes over.
    #[error("the database takes no writes: {0}")]
    TakesNoWrites(&'static str),
}

impl SessionError {
    /// The session's error inside a driver's, if it is one.
    pub(crate) fn in_driver_error(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(error) => error.downcast_ref(),
            _ => None,
        }
    }

    pub(super) fn not_as_asked(
        setting: &str,
        asked: &str,
        found: &str,
        advice: &'static str,
    ) -> Self {
        Self::NotAsAsked {
            setting: setting.to_owned(),
            asked: asked.to_owned(),
            found: found.to_owned(),
            advice,
        }
    }
}

impl From<SessionError> for sqlx::Error {
    fn from(error: SessionError) -> Self {
        Self::Configuration(Box::new(error))
    }
}
