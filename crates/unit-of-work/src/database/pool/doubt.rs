//! What one connection that has gone silent says of the others.
//!
//! A firewall or a proxy that forgets connections forgets all of them, and tells nobody. Each of them would cost an operation its deadline. So
//! once an operation has waited in vain, all connections from before that time are tested before they are used. Once a test was not
//! answered either, all from before it are replaced without one.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Which idle connections are not to be relied on. Times are nanoseconds since this was made; 0 is never.
#[derive(Debug)]
pub(super) struct Doubt {
    made: Instant,
    /// When an operation last waited in vain.
    doubted: AtomicU64,
    /// When a test was last not answered.
    silent: AtomicU64,
}

impl Default for Doubt {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            doubted: AtomicU64::new(0),
            silent: AtomicU64::new(0),
        }
    }
}

impl Doubt {
    /// Notes that a connection does not answer, or not for long.
    pub(super) fn waited_in_vain(&self) {
        self.doubted.store(self.now(), Relaxed);
    }

    /// Notes that a test was not answered.
    pub(super) fn found_silent(&self) {
        self.silent.store(self.now(), Relaxed);
    }

    /// Whether a connection that was handed out so long ago has to be tested.
    pub(super) fn is_doubtful(&self, unused: Duration) -> bool {
        self.is_before(unused, &self.doubted)
    }

    /// Whether a connection that was handed out so long ago is as silent as others.
    pub(super) fn is_silent(&self, unused: Duration) -> bool {
        self.is_before(unused, &self.silent)
    }

    fn is_before(&self, unused: Duration, then: &AtomicU64) -> bool {
        let then = then.load(Relaxed);
        // Nearly always. Then the clock is not read.
        then != 0 && self.now().saturating_sub(nanoseconds(unused)) < then
    }

    fn now(&self) -> u64 {
        nanoseconds(self.made.elapsed()).max(1)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
