//! A limit for the rate of HTTP/2 bytes that ask for nothing.
//!
//! Pings, settings, priorities and frames of streams that do not exist cost the client a few bytes, and the server some work for each. A
//! client that sends more of them than a connection needs is read more slowly. Requests and their bodies do not count.

use std::time::Duration;

use tokio::time::Instant;

/// How many bytes may come at once. They include the bodies of requests that were refused before they were read, for which a connection
/// has a window of a megabyte.
const MOST: i64 = 2 * 1024 * 1024;

/// How many more bytes may come in each second.
const PER_SECOND: i64 = 32 * 1024;

/// The bytes that may still come on one connection.
#[derive(Debug)]
pub(super) struct Pace {
    left: i64,
    renewed: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            left: MOST,
            renewed: Instant::now(),
        }
    }

    /// Counts bytes that came, `asked` of which were asked for. Answers for how long to read nothing, if they are too many.
    pub(super) fn count(&mut self, bytes: usize, asked: usize) -> Option<Duration> {
        let now = Instant::now();
        let milliseconds = i64::try_from((now - self.renewed).as_millis()).unwrap_or(i64::MAX);
        let earned = milliseconds.saturating_mul(PER_SECOND) / 1000;
        if earned > 0 {
            self.renewed = now;
        }
        let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let left = self
            .left
            .saturating_add(earned)
            .saturating_add(signed(asked));
        self.left = left.min(MOST).saturating_sub(signed(bytes));
        let owed = u64::try_from(-self.left).ok().filter(|owed| *owed > 0)?;
        Some(Duration::from_millis(
            owed * 1000 / PER_SECOND.unsigned_abs() + 1,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_asks_for_nothing_is_read_slowly_after_a_while() {
        let mut pace = Pace::new();
        let began = Instant::now();
        let mut read = 0;
        while began.elapsed() < Duration::from_secs(60) {
            read += 4096;
            if let Some(pause) = pace.count(4096, 0) {
                tokio::time::sleep(pause).await;
            }
        }
        assert!((MOST + 60 * PER_SECOND - read).abs() < 64 * 1024, "{read}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_asks_for_something_is_not_counted() {
        let mut pace = Pace::new();
        for _ in 0..100_000 {
            assert_eq!(pace.count(4096, 4096), None);
        }
    }
}
