//! Waiting for what another task or another process does, without guessing how long it takes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long the harness waits for anything before it panics: far more than a slow machine needs.
pub const PATIENCE: Duration = Duration::from_secs(10);

const INTERVAL: Duration = Duration::from_millis(5);

/// Polls `condition` until it holds.
///
/// # Panics
///
/// With `what`, when the condition does not hold within [`PATIENCE`].
pub async fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) {
    poll(what, PATIENCE, condition).await;
}

async fn poll(what: &str, patience: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(
            start.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "not within 0ns: pigs fly")]
    async fn giving_up_says_what_was_awaited() {
        poll("pigs fly", Duration::ZERO, async || false).await;
    }
}
