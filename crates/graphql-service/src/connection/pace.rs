//! How fast bytes of HTTP/2 are read that ask for nothing.
//!
//! Pings, settings, priorities and frames of streams that there are not cost the client a few bytes and the server an answer or a look. Who
//! sends more of them than connections need is read more slowly. Requests and their bodies are not counted.

use std::time::Duration;

use tokio::time::Instant;

/// So many bytes may come at once. Bodies of requests that were refused before they were read are among them, and a connection has
/// a window of a megabyte for these.
const MOST: i64 = 2 * 1024 * 1024;

/// So many more in each further second.
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

    /// Counts bytes that came, of which so many were asked for. Answers how long nothing is to be read, where they are too many.
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
