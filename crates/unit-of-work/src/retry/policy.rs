//! How often an operation is run again, and after which waits.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::setters::setters;

/// How often an operation is run again, and how long is waited in between.
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
    /// The most attempts at losing conflicts, the first one included; 1 is never to run anything again. An operation that
    /// has lost the database, or cannot reach it, is run again until its deadline, and only without one this often.
    /// Default: 20.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from one to the next. Default: 2 milliseconds.
    pub first_delay: Duration,
    /// The longest wait. Default: 500 milliseconds.
    pub longest_delay: Duration,
    /// Whether up to as much again is added to each wait, at random, so that those who met do not meet again.
    /// Default: yes.
    pub jitter: bool,
}

/// The longest wait for a database that was lost, unless the policy's longest delay is longer.
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

    /// The waits of an operation that has lost the database: they grow longer than those after a conflict, and do not end.
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
