//! Settings of idempotency keys.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use sea_orm::DbErr;

use super::{
    clock::{Now, SteadyClock},
    table::{self, milliseconds},
};
use crate::{Database, unit::marker::ASKED_WITHIN};

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
    clock: Clock,
}

#[derive(Clone)]
enum Clock {
    /// The machine's, whose leaps are not believed at once. Clones share it.
    Machine(Arc<SteadyClock>),
    /// One that is believed.
    Given(Arc<dyn Fn() -> SystemTime + Send + Sync>),
}

impl Default for IdempotencySettings {
    /// Keys that are kept for 24 hours by the machine's clock.
    fn default() -> Self {
        let clock = SteadyClock::new(SystemTime::now());
        Self {
            expires_after: Duration::from_secs(24 * 60 * 60),
            clock: Clock::Machine(Arc::new(clock)),
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

    /// Takes the time from `now`, and believes it. The clocks of servers that share a database should agree to within seconds.
    ///
    /// Default: the machine's clock. Where that is set forward or back by more than a minute, no key expires earlier for it: for as long as
    /// keys are kept, the time that has passed is measured by a clock that nobody can set. Clones share what they know of it.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::Given(Arc::new(now));
        self
    }

    /// By what time keys have expired: what the clock says, or an earlier time while a leap of the machine's clock is not believed. For
    /// [`sweep`](crate::idempotency::sweep).
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.read().earliest
    }

    /// Learns from the keys in the table what time it was when the last one was claimed, so that a clock which was set forward while no server
    /// ran lets no key expire earlier either. Call it once, before the first operation. Keys of before a long pause are then kept for
    /// longer.
    ///
    /// # Errors
    /// What the database says.
    ///
    /// # Cancel safety
    /// Cancel safe.
    ///
    /// ```no_run
    /// # async fn example(database: &unit_of_work::Database) -> Result<(), sea_orm::DbErr> {
    /// let settings = unit_of_work::IdempotencySettings::default();
    /// settings.remember(database).await?;
    /// # Ok(()) }
    /// ```
    pub async fn remember(&self, database: &Database) -> Result<(), DbErr> {
        let Clock::Machine(clock) = &self.clock else {
            return Ok(());
        };
        if let Some(expiry) = table::last_expiry(database).await?
            && let Some(claimed) = expiry.checked_sub(self.expires_after)
        {
            clock.believe(claimed);
        }
        Ok(())
    }

    fn read(&self) -> Now {
        match &self.clock {
            Clock::Machine(clock) => clock.read(SystemTime::now(), self.expires_after),
            Clock::Given(clock) => {
                let now = clock();
                Now {
                    earliest: now,
                    latest: now,
                }
            }
        }
    }

    /// Whether keys are kept for as long as the outcome of a COMMIT may be asked for.
    pub(super) fn is_kept_long(&self) -> bool {
        self.expires_after > ASKED_WITHIN
    }

    /// By what time keys have expired, and when one that is claimed now expires, in milliseconds since 1970.
    pub(super) fn terms(&self) -> (i64, i64) {
        let now = self.read();
        let time = i64::try_from(self.expires_after.as_millis()).unwrap_or(i64::MAX);
        (
            milliseconds(now.earliest),
            milliseconds(now.latest).saturating_add(time),
        )
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
