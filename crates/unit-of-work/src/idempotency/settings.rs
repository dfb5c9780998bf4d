//! Settings of idempotency keys.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::table::milliseconds;
use crate::unit::marker::ASKED_WITHIN;

/// Settings of idempotency keys. See [`idempotency`](crate::idempotency).
///
/// ```
/// use std::time::Duration;
/// use unit_of_work::{Database, IdempotencySettings, UnitOfWorkExtension};
///
/// # fn example(database: Database) {
/// let settings = IdempotencySettings::default().expires_after(Duration::from_secs(7 * 24 * 60 * 60));
/// let units = UnitOfWorkExtension::new(database).idempotency(settings);
/// # let _ = units; }
/// ```
#[derive(Clone)]
pub struct IdempotencySettings {
    expires_after: Duration,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Default for IdempotencySettings {
    /// Keys that are kept for 24 hours by the machine's clock.
    fn default() -> Self {
        Self {
            expires_after: Duration::from_secs(24 * 60 * 60),
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl IdempotencySettings {
    /// Sets how long a response can be replayed, from the beginning of its operation. It should be longer than any client retries. Default:
    /// 24 hours.
    #[must_use]
    pub fn expires_after(mut self, time: Duration) -> Self {
        self.expires_after = time;
        self
    }

    /// Sets the clock. The clocks of servers that share a database should agree to within seconds. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// The current time, by the clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// Whether keys are kept for as long as the outcome of a COMMIT may be asked for.
    pub(super) fn is_kept_long(&self) -> bool {
        self.expires_after > ASKED_WITHIN
    }

    /// When a key that is claimed now expires, in milliseconds since 1970.
    pub(super) fn expiry(&self) -> i64 {
        let time = i64::try_from(self.expires_after.as_millis()).unwrap_or(i64::MAX);
        milliseconds(self.now()).saturating_add(time)
    }
}

impl fmt::Debug for IdempotencySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IdempotencySettings")
            .field("expires_after", &self.expires_after)
            .finish_non_exhaustive()
    }
}
