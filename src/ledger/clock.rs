//! The time, as whoever calls the ledger tells it.

use chrono::{DateTime, Utc};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the time. A parameter, so that tests can set it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that stands still.
    #[must_use]
    pub fn at(instant: DateTime<Utc>) -> Self {
        Self::new(move || instant)
    }

    /// The machine's clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine is asked"
    )]
    pub fn system() -> Self {
        Self::new(Utc::now)
    }

    /// This clock, but never before an instant that it has told already, nor before `floor`: where the machine's clock is set back,
    /// it stands still until that has caught up. What was recorded at an instant stays what was recorded until then.
    ///
    /// Instants are told in whole microseconds.
    #[must_use]
    pub fn never_backwards(self, floor: Option<DateTime<Utc>>) -> Self {
        let floor = floor.map_or(i64::MIN, |floor| floor.timestamp_micros());
        let last = AtomicI64::new(floor);
        Self::new(move || {
            let now = self.now().timestamp_micros();
            let latest = last.fetch_max(now, Ordering::Relaxed).max(now);
            DateTime::from_timestamp_micros(latest).unwrap_or(DateTime::<Utc>::MAX_UTC)
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let instant = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let machine = Arc::new(Mutex::new(instant(100)));
        let told = machine.clone();
        let clock = Clock::new(move || *told.lock().unwrap()).never_backwards(Some(instant(50)));
        let mut seen = Vec::new();
        for set in [100, 40, 99, 101] {
            *machine.lock().unwrap() = instant(set);
            seen.push(clock.now());
        }
        assert_eq!(seen, [100, 100, 100, 101].map(instant));
        let behind = Clock::at(instant(40)).never_backwards(Some(instant(50)));
        assert_eq!(behind.now(), instant(50));
    }
}
