//! Notifies the other servers of a PostgreSQL database that something was committed.
//!
//! One notification is sent for many commits, after them. `NOTIFY` inside the transactions would make all commits of the database wait for
//! one another.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};
use tokio::time::sleep;
use unit_of_work::Database;

use super::Job;
use crate::graphql::Feed;

pub(super) const CHANNEL: &str = "daybook_entry_posted";

/// How long commits are gathered into one notification.
const GATHER: Duration = Duration::from_millis(50);

pub(crate) struct Notify {
    database: Database,
    feed: Feed,
}

impl Notify {
    pub(crate) fn new(database: Database, feed: Feed) -> Self {
        Self { database, feed }
    }
}

impl Job for Notify {
    const NAME: &'static str = "notify";
    const LIMIT: Duration = Duration::from_secs(10);
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    type Error = NotifyError;

    async fn due(&mut self) -> bool {
        self.feed.committed().await;
        sleep(GATHER).await;
        true
    }

    async fn activate(&mut self) -> Result<(), NotifyError> {
        self.database
            .write(async |unit| {
                // A lost notification does no harm: every server looks for itself within a second.
                unit.needs_no_proof();
                unit.execute_unprepared(&format!("NOTIFY {CHANNEL}"))
                    .await?;
                Ok(())
            })
            .await
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    #[error("other servers could not be told of commits")]
    Database(#[from] DbErr),
}
