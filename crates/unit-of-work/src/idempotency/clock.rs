//! The time by which keys expire: the machine's, but a leap of it is not believed at once.
//!
//! A machine's clock can be set: by an operator, or by the time service after a boot with a wrong clock. A clock that leaps a day
//! forward would make every key of the last day expire at once, and a client that sends its payment again would pay twice.
//! So the time is also measured by a clock that nobody can set. Where the two disagree, a key expires when both say so, and a new one
//! is kept until both say so. Once they have disagreed in the same way for as long as keys are kept, every older key has been kept for long
//! enough, and the machine's clock is believed.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// Clocks that differ by less agree: a machine's clock is corrected all the time.
const AGREE: Duration = Duration::from_secs(60);

/// What time it is, where two clocks disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now {
    /// What has expired has expired by this time.
    pub(super) earliest: SystemTime,
    /// What is to be kept is kept from this time on.
    pub(super) latest: SystemTime,
}

/// The machine's clock, beside one that nobody can set.
#[derive(Debug)]
pub(super) struct SteadyClock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// A time that was believed, and when that was.
    believed: (SystemTime, Instant),
    /// Since when the clocks disagree, and about what.
    leap: Option<(Instant, Leap)>,
}

/// How far the machine's clock is from the steady one.
#[derive(Clone, Copy, Debug)]
enum Leap {
    Ahead(Duration),
    Behind(Duration),
}

impl Leap {
    fn between(machine: SystemTime, steady: SystemTime) -> Self {
        match machine.duration_since(steady) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(error) => Self::Behind(error.duration()),
        }
    }

    fn is_small(self) -> bool {
        let (Self::Ahead(by) | Self::Behind(by)) = self;
        by <= AGREE
    }

    /// Whether it is the same leap as another, and not a further one.
    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Ahead(one), Self::Ahead(other)) | (Self::Behind(one), Self::Behind(other)) => {
                one.abs_diff(other) <= AGREE
            }
            _ => false,
        }
    }
}

impl SteadyClock {
    /// A clock that believes this time.
    pub(super) fn new(believed: SystemTime) -> Self {
        Self(Mutex::new(State {
            believed: (believed, Instant::now()),
            leap: None,
        }))
    }

    /// Believes that it was not later than this at a moment before now.
    pub(super) fn believe(&self, time: SystemTime) {
        let mut state = self.lock();
        if time < state.believed.0 {
            state.believed = (time, Instant::now());
            state.leap = None;
        }
    }

    /// What time it is, where the machine says this. A leap that has lasted for `kept` is believed.
    pub(super) fn read(&self, machine: SystemTime, kept: Duration) -> Now {
        let mut state = self.lock();
        let now = Instant::now();
        let (time, at) = state.believed;
        let steady = time.checked_add(now - at).unwrap_or(machine);
        let leap = Leap::between(machine, steady);
        let since = match state.leap {
            _ if leap.is_small() => None,
            Some((since, earlier)) if leap.is_same(earlier) => {
                (now - since < kept).then_some(since)
            }
            _ => Some(now),
        };
        match since {
            Some(since) => {
                state.leap = Some((since, leap));
                Now {
                    earliest: machine.min(steady),
                    latest: machine.max(steady),
                }
            }
            None => {
                *state = State {
                    believed: (machine, now),
                    leap: None,
                };
                Now {
                    earliest: machine,
                    latest: machine,
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing can panic while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use tokio::time::advance;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn begin() -> SystemTime {
        UNIX_EPOCH + 365 * DAY
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_corrected_is_followed() {
        let clock = SteadyClock::new(begin());
        let mut machine = begin();
        for n in 0..100 {
            advance(HOUR).await;
            machine += HOUR;
            // A second in each hour, always in the same direction.
            machine += Duration::from_secs(1);
            let expected = Now {
                earliest: machine,
                latest: machine,
            };
            assert_eq!(clock.read(machine, DAY), expected, "{n}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leap_is_believed_once_it_has_lasted() {
        for is_ahead in [true, false] {
            let clock = SteadyClock::new(begin());
            let mut truth = begin();
            let leapt = |truth: SystemTime, by| if is_ahead { truth + by } else { truth - by };
            for hour in 0..30 {
                let read = clock.read(leapt(truth, 3 * DAY), DAY);
                let both = (
                    read.earliest.min(read.latest),
                    read.earliest.max(read.latest),
                );
                if hour < 24 {
                    let other = leapt(truth, 3 * DAY);
                    assert_eq!(both, (truth.min(other), truth.max(other)), "{hour}");
                } else {
                    assert_eq!(
                        both,
                        (leapt(truth, 3 * DAY), leapt(truth, 3 * DAY)),
                        "{hour}"
                    );
                }
                advance(HOUR).await;
                truth += HOUR;
            }
        }
    }

    /// A second leap waits as long as the first, and one that is taken back leaves nothing behind.
    #[tokio::test(start_paused = true)]
    async fn each_leap_waits_for_itself() {
        let clock = SteadyClock::new(begin());
        clock.read(begin() + DAY, DAY);
        advance(23 * HOUR).await;
        let truth = begin() + 23 * HOUR;
        assert_eq!(clock.read(truth + 10 * DAY, DAY).earliest, truth);
        advance(2 * HOUR).await;
        let truth = truth + 2 * HOUR;
        assert_eq!(clock.read(truth + 10 * DAY, DAY).earliest, truth);
        let right = Now {
            earliest: truth,
            latest: truth,
        };
        assert_eq!(clock.read(truth, DAY), right);
        advance(23 * HOUR).await;
        let truth = truth + 23 * HOUR;
        assert_eq!(clock.read(truth + DAY, DAY).earliest, truth);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_of_the_past_is_believed() {
        let clock = SteadyClock::new(begin() + DAY);
        clock.believe(begin() + 2 * DAY);
        let read = clock.read(begin() + DAY, DAY);
        assert_eq!((read.earliest, read.latest), (begin() + DAY, begin() + DAY));
        clock.believe(begin());
        let read = clock.read(begin() + DAY, DAY);
        assert_eq!((read.earliest, read.latest), (begin(), begin() + DAY));
    }
}
