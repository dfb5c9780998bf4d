//! The required properties of a new connection's session.
//!
//! Isolation, access mode and time-outs are set when a connection is made, so that they cost an operation no statement. But they can
//! silently get lost: a pooler may ignore start-up options, and an SQLite may be built without a feature. So each new connection is checked
//! once, and never used if a property is missing.
//!
//! Settings that are not sent are checked too, if the contract rests on them: a role or a database may have its own.

use thiserror::Error;

/// Why a connection cannot be used, although it was made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum SessionError {
    /// A setting has another value than it should have.
    #[error("the session has `{setting}` = `{found}`, and should have `{asked}`; {advice}")]
    NotAsAsked {
        setting: String,
        asked: String,
        found: String,
        advice: String,
    },
    /// The session needs a primary, and the server accepts no writes now. That may pass, when another server takes over.
    #[error("the database takes no writes: {0}")]
    TakesNoWrites(&'static str),
    /// None of the servers in the list can be used now. That may pass, too.
    #[error("no server of the list can be used: {}", .tried.join("; "))]
    NoServer {
        /// For each server, its name and what is the matter with it.
        tried: Vec<String>,
    },
    /// The servers of a list do not hold the same data.
    #[error(
        "the server is not of the same cluster as the others of the list: its system identifier is {found}, and theirs is {known}"
    )]
    OtherCluster { found: String, known: String },
}

impl SessionError {
    /// A standby where a primary is needed.
    pub(crate) const STANDBY: Self = Self::TakesNoWrites("the server is a standby");

    /// The session's error inside a driver's, if it is one.
    pub(crate) fn in_driver_error(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether a connection cannot be had because no server takes writes now.
    pub(crate) fn waits_for_a_primary(error: &sqlx::Error) -> bool {
        matches!(
            Self::in_driver_error(error),
            Some(Self::TakesNoWrites(_) | Self::NoServer { .. })
        )
    }

    /// Adds that the application's hook for new connections may have changed the setting.
    pub(super) fn with_hook(self, has_hook: bool) -> Self {
        match self {
            Self::NotAsAsked {
                setting,
                asked,
                found,
                advice,
            } if has_hook => Self::NotAsAsked {
                setting,
                asked,
                found,
                advice: format!(
                    "{advice}; or `DatabaseOptions::after_connect` has changed it, which it must not"
                ),
            },
            other => other,
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
            advice: advice.to_owned(),
        }
    }
}

impl From<SessionError> for sqlx::Error {
    fn from(error: SessionError) -> Self {
        Self::Configuration(Box::new(error))
    }
}
