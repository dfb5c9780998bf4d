//! The settings of one transaction, which travel with BEGIN in the same round trip.

use std::time::Duration;

use sea_orm::IsolationLevel;

use crate::Access;

/// How a unit's transaction begins.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) access: Access,
    /// The isolation level, if the operation asks for a stricter one than the session's.
    pub(crate) isolation: Option<IsolationLevel>,
    /// The statement time-out, if the operation's deadline is shorter than the session's.
    pub(crate) statement_timeout: Option<Duration>,
    /// As `statement_timeout`, for the time between two statements. A server that hears nothing for longer ends the transaction and
    /// releases its locks.
    pub(crate) idle_timeout: Option<Duration>,
    /// Settings that hold only for this transaction.
    pub(crate) settings: SessionSettings,
    /// Whether to ask for the server's position: in a query after the snapshot was taken, otherwise after COMMIT or ROLLBACK.
    pub(crate) locate: bool,
    /// Whether to ask for the transaction's id, with which the outcome of a lost COMMIT can be found out.
    pub(crate) identify: bool,
}

/// Settings of PostgreSQL for the transaction of one operation (`set_config(name, value, true)`): a tenant or a viewer for row-level
/// security, or `role`. Put them into a request's data.
///
/// They travel with BEGIN, so they cost no round trip, and end with the transaction. SQLite has no settings: there, an operation with
/// settings is refused at its first statement, since a protection must not be dropped silently.
///
/// ```
/// let settings = unit_of_work::SessionSettings::new().set("app.tenant", "42");
/// let request = async_graphql::Request::new("{ orders { id } }").data(settings);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings(Vec<(String, String)>);

impl SessionSettings {
    /// No settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting. A custom one has a dot in its name.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names and values.
    #[cfg(feature = "postgres")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.0.iter();
        settings.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Begin {
    /// Whether the transaction has no terms of its own, so that another unit may go on in it.
    pub(crate) fn is_like_others(&self) -> bool {
        self.isolation.is_none()
            && self.statement_timeout.is_none()
            && self.idle_timeout.is_none()
            && self.settings.is_empty()
    }

    /// Whether one statement without a transaction would run in the same way. Such a statement needs no `idle_timeout`.
    pub(crate) fn is_plain(&self) -> bool {
        self.isolation.is_none()
            && self.statement_timeout.is_none()
            && self.settings.is_empty()
            && !self.identify
            && !self.locate
    }
}
