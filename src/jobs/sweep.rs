//! Deletes expired idempotency keys, and markers of commits that nobody can ask for any more. Until then, both are harmless.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::{Interval, MissedTickBehavior, interval};
use unit_of_work::{Database, IdempotencySettings, idempotency, marker};

use super::Job;

/// How often each server sweeps. Servers of one database do not wait for each other.
const EVERY: Duration = Duration::from_secs(5 * 60);

pub(crate) struct Sweep {
    database: Database,
    settings: IdempotencySettings,
    ticks: Interval,
}

impl Sweep {
    pub(crate) fn new(database: Database, settings: IdempotencySettings) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            database,
            settings,
            ticks,
        }
    }
}

impl Job for Sweep {
    const NAME: &'static str = "sweep";
    type Error = SweepError;

    async fn due(&mut self) -> bool {
        self.ticks.tick().await;
        true
    }

    async fn activate(&mut self) -> Result<(), SweepError> {
        let now = self.settings.now();
        let keys = idempotency::sweep(&self.database, now).await;
        // Sweep the markers even if the keys could not be deleted.
        let markers = marker::sweep(&self.database, now).await;
        let (keys, markers) = (
            keys.map_err(SweepError::Keys)?,
            markers.map_err(SweepError::Markers)?,
        );
        if keys + markers > 0 {
            tracing::debug!(
                keys,
                markers,
                "expired idempotency keys and old markers are deleted"
            );
        }
        Ok(())
    }
}

/// Why expired rows were not deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("expired idempotency keys could not be deleted")]
    Keys(#[source] DbErr),
    #[error("old markers could not be deleted")]
    Markers(#[source] DbErr),
}
