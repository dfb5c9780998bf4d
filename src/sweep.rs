//! What the server does beside serving: deletes idempotency keys that have expired, and markers of commits that nobody asks for
//! any more.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use unit_of_work::{Database, IdempotencySettings, idempotency, marker};

/// Servers that share a database each sweep it; none waits for another.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// Sweeps now and from then on.
///
/// # Cancel safety
/// Dropping the future rolls back what is under way.
pub(crate) async fn forever(database: Database, settings: IdempotencySettings) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match idempotency::sweep(&database, settings.now()).await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "expired idempotency keys are deleted"),
            // The keys are expired whether they are there or not: the next sweep will do.
            Err(error) => tracing::warn!(%error, "expired idempotency keys could not be deleted"),
        }
        match marker::sweep(&database, settings.now()).await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "old markers are deleted"),
            // They harm nobody: the next sweep will do.
            Err(error) => tracing::warn!(%error, "old markers could not be deleted"),
        }
    }
}
