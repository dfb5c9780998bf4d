//! What the server does beside serving: releases holds that have expired, so that what they had set aside is free again.
//!
//! Each release is an entry of its own in a unit of its own. Servers that share a database each look; of two that meet at a hold
//! one releases it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use tokio::time::{MissedTickBehavior, interval};
use unit_of_work::{Database, UnitError};

use crate::ledger::{self, Clock, HoldError};

const EVERY: Duration = Duration::from_secs(1);

/// How many holds are looked up at once.
const BATCH: u64 = 100;

/// How far the clocks of servers may be apart: a hold that another one has just placed can have expired by this much here.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why expired holds were not released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpiryError {
    /// They could not be looked up.
    #[error("expired holds could not be looked up")]
    Find(#[from] DbErr),
    /// One could not be released.
    #[error(transparent)]
    Release(#[from] HoldError),
    /// One could not be released.
    #[error(transparent)]
    Unit(#[from] UnitError),
}

/// Looks now and from then on.
///
/// # Cancel safety
/// Dropping the future rolls back what is under way.
pub(crate) async fn forever(database: Database, clock: Clock) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first look goes back to the beginning; later ones only to where the last one that went well has ended.
    let mut since = None;
    loop {
        ticks.tick().await;
        let now = clock.now();
        match release(&database, since, &clock).await {
            Ok(0) => {}
            Ok(released) => tracing::debug!(released, "expired holds are released"),
            Err(error) => {
                tracing::warn!(%error, "expired holds could not be released");
                continue;
            }
        }
        since = Some(now - SKEW);
    }
}

/// Releases every hold that expired from `since` until now, and says how many.
///
/// # Errors
/// [`ExpiryError`] at the first that cannot be; those before it are released.
pub async fn release(
    database: &Database,
    since: Option<DateTime<Utc>>,
    clock: &Clock,
) -> Result<u64, ExpiryError> {
    let now = clock.now();
    let mut released = 0;
    loop {
        let expired = database
            .read(async |unit| ledger::expired_holds(&unit, since, now, BATCH).await)
            .await?;
        for hold_id in &expired {
            let release = async |unit| {
                let entry = ledger::release_expired_hold(&unit, *hold_id, clock).await?;
                Ok::<_, ExpiryError>(entry)
            };
            if database.write(release).await?.is_some() {
                released += 1;
            }
        }
        if u64::try_from(expired.len()).is_ok_and(|found| found < BATCH) {
            return Ok(released);
        }
    }
}
