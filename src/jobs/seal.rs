//! Seals what is settled, so that a later change of the past can be proved.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::{Interval, MissedTickBehavior, interval};
use unit_of_work::Database;

use super::Job;
use crate::{graphql::Feed, ledger};

/// How long an event waits for its seal at most, if the machine has the time.
const EVERY: Duration = Duration::from_secs(1);

/// How many events one unit of work seals. On SQLite, other writers wait for as long as one takes.
const BATCH: usize = 100;

/// The job. What an activation that is dropped has sealed stays, and the next goes on from there.
pub(crate) struct Seal {
    database: Database,
    feed: Feed,
    ticks: Interval,
    /// All events up to this number are sealed, as far as this server knows: nothing is asked while nothing happens.
    sealed: i64,
}

impl Seal {
    pub(crate) fn new(database: Database, feed: Feed) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            database,
            feed,
            ticks,
            sealed: 0,
        }
    }
}

impl Job for Seal {
    const NAME: &'static str = "seal";
    const LONGEST_WAIT: Duration = Duration::from_secs(10);
    type Error = DbErr;

    async fn due(&mut self) -> bool {
        self.ticks.tick().await;
        true
    }

    async fn activate(&mut self) -> Result<(), DbErr> {
        let Some(settled) = self.feed.settled().filter(|it| *it != self.sealed) else {
            return Ok(());
        };
        loop {
            let seal = async |unit| ledger::seal_events(&unit, settled, BATCH).await;
            let sealed = self.database.write(seal).await?;
            if sealed < BATCH {
                self.sealed = settled;
                return Ok(());
            }
        }
    }
}
