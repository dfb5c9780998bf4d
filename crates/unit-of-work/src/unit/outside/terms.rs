//! On what terms a unit outside of an operation runs, as its caller says them.

use std::time::Duration;

use sea_orm::IsolationLevel;

use crate::{RetryPolicy, SessionSettings, setters::setters};

/// On what terms [`Database::write_with`](crate::Database::write_with) and [`Database::read_with`](crate::Database::read_with) run their
/// body: what an operation has by its request's data and the [`Settings`](crate::Settings).
///
/// ```
/// use std::time::Duration;
/// use sea_orm::IsolationLevel;
/// use unit_of_work::UnitTerms;
///
/// let terms = UnitTerms::named("close the day")
///     .isolation(IsolationLevel::Serializable)
///     .deadline(Duration::from_secs(60))
///     .attempts(10);
/// # let _ = terms;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnitTerms {
    /// What the work is called in the log and in the span of its unit. Default: nothing.
    pub name: Option<String>,
    /// The isolation level. One that is weaker than the database's own for this access is ignored. Default: the database's own.
    pub isolation: Option<IsolationLevel>,
    /// How long the work may take, all attempts together: later it is given up and rolled back
    /// ([`UnitError::DeadlineExceeded`](crate::UnitError::DeadlineExceeded)). A database that cannot be reached is waited for until then.
    /// Default: no limit.
    pub deadline: Option<Duration>,
    /// Settings of the transaction, for row-level security. Default: none.
    pub settings: SessionSettings,
    /// Whether the body runs again, as a whole and on a fresh unit, when it loses a conflict or the database. Default: no; one attempt.
    pub retry: RetryPolicy,
}

impl Default for UnitTerms {
    fn default() -> Self {
        Self {
            name: None,
            isolation: None,
            deadline: None,
            settings: SessionSettings::default(),
            retry: RetryPolicy::default().attempts(1),
        }
    }
}

setters!(UnitTerms {
    settings: SessionSettings,
    retry: RetryPolicy,
});

impl UnitTerms {
    /// The default terms, under a name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Sets [`UnitTerms::isolation`](#structfield.isolation).
    #[must_use]
    pub fn isolation(mut self, isolation: impl Into<Option<IsolationLevel>>) -> Self {
        self.isolation = isolation.into();
        self
    }

    /// Sets [`UnitTerms::deadline`](#structfield.deadline).
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets [`RetryPolicy::attempts`] of [`UnitTerms::retry`](#structfield.retry), the first attempt included.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.retry.attempts = attempts;
        self
    }
}
