//! What an operation may take, and what it tells.

use std::time::Duration;

use crate::Report;

/// Settings of the [`UnitOfWorkExtension`](crate::UnitOfWorkExtension).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an operation may take, from its first resolver to its COMMIT: a later one is rolled back and answered
    /// with `DEADLINE_EXCEEDED`. `None` is no limit. Default: 30 seconds.
    pub deadline: Option<Duration>,
    /// Whether responses tell of their unit. Default: off.
    pub report: Report,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(30)),
            report: Report::Off,
        }
    }
}
