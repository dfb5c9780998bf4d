//! Finds out how far the outbox is settled, and wakes subscribers.

use std::time::Duration;

use super::Job;
use crate::graphql::{WatchError, Watcher};

pub(crate) struct Watch(pub(crate) Watcher);

impl Job for Watch {
    const NAME: &'static str = "watch";
    const LIMIT: Duration = Duration::from_secs(10);
    /// Short, because subscribers are waiting.
    const LONGEST_WAIT: Duration = Duration::from_secs(1);
    type Error = WatchError;

    async fn due(&mut self) -> bool {
        self.0.due().await
    }

    async fn activate(&mut self) -> Result<(), WatchError> {
        self.0.look().await
    }
}
