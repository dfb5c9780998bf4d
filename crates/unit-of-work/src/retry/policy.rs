//! The retry policy.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::setters::setters;

/// How often an operation is run again, and how long to wait in between.
///
/// ```
/// use std::time::Duration;
/// use unit_of_work::RetryPolicy;
///
/// let policy = RetryPolicy::default()
///     .attempts(5)
///     .longest_delay(Duration::from_millis(100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most attempts, including the first; with 1, nothing is run again. An operation that has lost the database, or cannot reach it,
    /// is run again until its deadline, and this often if it has none. Default: 20.
    pub attempts: u32,
    /// The wait before the second attempt. It doubles with each further one. Default: 2 milliseconds.
    pub first_delay: Duration,
    /// The longest wait. Default: 500 milliseconds.
    pub longest_delay: Duration,
    /// Whether a random time of up to the same length is added to each wait, so that conflicting operations do not meet again. Default:
    /// yes.
    pub jitter: bool,
}

/// The longest wait for a lost database, unless the policy's longest delay is longer.
const LONGEST_WITHOUT_DATABASE: Duration = Duration::from_secs(1);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 20,
            first_delay: Duration::from_millis(2),
            longest_delay: Duration::from_millis(500),
            jitter: true,
        }
    }
}

setters!(RetryPolicy {
    attempts: u32,
    first_delay: Duration,
    longest_delay: Duration,
    jitter: bool,
});

impl RetryPolicy {
    pub(super) fn delays(&self) -> impl Iterator<Item = Duration> + use<> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay)
            .with_max_times(usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX));
        self.jittered(backoff)
    }

    /// The waits of an operation that has lost the database. They grow longer than those after a conflict, and never end.
    pub(super) fn delays_without_database(&self) -> impl Iterator<Item = Duration> + use<> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay.max(LONGEST_WITHOUT_DATABASE))
            .without_max_times();
        self.jittered(backoff)
    }

    fn jittered(&self, backoff: ExponentialBuilder) -> ExponentialBackoff {
        if self.jitter {
            backoff.with_jitter().build()
        } else {
            backoff.build()
        }
    }
}
