//! How events are sent to webhooks.

use std::time::Duration;

use super::Addresses;

/// How events are sent to webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookOptions {
    /// Where they may be sent.
    pub addresses: Addresses,
    /// How long an endpoint may take to answer. Default: 10 seconds.
    pub timeout: Duration,
    /// How often an event is tried, at most. Default: 20, which takes eleven hours.
    pub attempts: i64,
    /// How long after the first attempt the second is made; an hour at most. The time doubles with each further one. Default: 5 seconds.
    pub first_wait: Duration,
    /// The most deliveries at once. Default: 16.
    pub deliveries: usize,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            addresses: Addresses::default(),
            timeout: Duration::from_secs(10),
            attempts: 20,
            first_wait: Duration::from_secs(5),
            deliveries: 16,
        }
    }
}

impl WebhookOptions {
    /// The longest wait between two attempts, but for the fifth by which they differ.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

    /// How long to wait after so many failed attempts: by up to a fifth shorter or longer, so that endpoints that failed together are not
    /// tried together for ever. `chance` is a random number. `None` if there is no further attempt.
    #[must_use]
    pub(crate) fn wait_after(&self, failed: i64, chance: u32) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doublings = u32::try_from(failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let wait = self
            .first_wait
            .saturating_mul(factor)
            .min(Self::LONGEST_WAIT);
        let fifth = wait / 5;
        let spread = (fifth * 2).mul_f64(f64::from(chance) / f64::from(u32::MAX));
        Some(wait - fifth + spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_end() {
        let options = WebhookOptions::default();
        let middle = |failed| options.wait_after(failed, u32::MAX / 2);
        let seconds = |failed| middle(failed).unwrap().as_secs_f64().round();
        assert_eq!([1, 2, 3, 10].map(seconds), [5.0, 10.0, 20.0, 2560.0]);
        assert_eq!([11, 12, 19].map(seconds), [3600.0; 3]);
        assert_eq!(middle(20), None);
        let all: Duration = (1..20).filter_map(middle).sum();
        assert!((10..12).contains(&(all.as_secs() / 3600)), "{all:?}");
    }

    #[test]
    fn waits_differ_by_a_fifth() {
        let options = WebhookOptions::default();
        let at = |chance| options.wait_after(1, chance).unwrap();
        assert_eq!(at(0), Duration::from_secs(4));
        assert_eq!(at(u32::MAX), Duration::from_secs(6));
    }
}
