//! How fast messages of a socket are read that ask for nothing.
//!
//! A ping costs the server a pong, and the client next to nothing: without a limit, a few sockets that send them as fast as they can keep
//! the processors from everybody else. Who sends more than a few is read more slowly. Nothing is lost by it: the rest waits in the
//! connection, and the client with it.

use std::time::Duration;

use tokio::time::Instant;

/// So many in a [`PERIOD`], which is much more than clients that mean well send.
const MOST: u32 = 32;

const PERIOD: Duration = Duration::from_secs(1);

/// Counts messages that ask for nothing: pings and pongs, of the protocol and of WebSocket itself.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
    /// When there are [`MOST`] again.
    renewed: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            left: MOST,
            renewed: Instant::now() + PERIOD,
        }
    }

    /// Counts a message: until when to read no other, where it was one too many.
    pub(super) fn count(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if now >= self.renewed {
            self.left = MOST;
            self.renewed = now + PERIOD;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                None
            }
            None => Some(self.renewed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_are_read_in_a_second() {
        let began = Instant::now();
        let mut pace = Pace::new();
        let mut read = 0;
        while began.elapsed() < 10 * PERIOD {
            if let Some(until) = pace.count() {
                tokio::time::sleep_until(until).await;
            }
            read += 1;
        }
        assert!((10 * MOST..=12 * MOST).contains(&read), "{read}");
    }
}
