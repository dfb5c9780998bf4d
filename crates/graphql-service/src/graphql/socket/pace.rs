//! A limit for the rate of messages that ask for nothing, such as pings.
//!
//! A ping costs the client next to nothing, and the server a pong. Without a limit, a few sockets that send pings as fast as they can take
//! the processors from all other clients. A client that sends more than a few is read more slowly. Nothing is lost: its further messages
//! wait in the connection.

use std::time::Duration;

use tokio::time::Instant;

/// The most messages in a [`PERIOD`]. Well-behaved clients send far fewer.
const MOST: u32 = 32;

const PERIOD: Duration = Duration::from_secs(1);

/// Counts the messages that ask for nothing: pings and pongs of the protocol, and of WebSocket itself.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
    /// When `left` is [`MOST`] again.
    renewed: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            left: MOST,
            renewed: Instant::now() + PERIOD,
        }
    }

    /// Counts a message. If it is one too many, answers until when to read no other.
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
