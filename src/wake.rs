//! What servers that share a PostgreSQL database tell each other: that something was committed.
//!
//! Only a hint: whoever misses it looks a second later. So it is sent after the commit and not in it, many commits at a time:
//! `NOTIFY` within a transaction would make all commits of the database wait for one another.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend};
use sqlx::postgres::PgListener;
use tokio::time::sleep;
use unit_of_work::{Database, UnitError};

use crate::{config::DatabaseUrl, graphql::Feed};

const CHANNEL: &str = "daybook_entry_posted";

/// How long commits are gathered before others are told of them.
const GATHER: Duration = Duration::from_millis(50);

/// How long to wait after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells others of this server's commits, and wakes `feed` for those of others; on SQLite there is nothing to do, for the file's other
/// users are found by the look once a second.
///
/// # Cancel safety
/// Dropping the future ends both.
pub(crate) async fn forever(url: DatabaseUrl, database: Database, feed: Feed) {
    if database.backend() == DbBackend::Postgres {
        tokio::join!(listen(&url, &feed), notify(&database, &feed));
    }
}

async fn listen(url: &DatabaseUrl, feed: &Feed) {
    loop {
        if let Err(error) = listen_until_lost(url, feed).await {
            tracing::warn!(%error, "no wake-ups from other servers for a while");
        }
        // What came meanwhile was not heard.
        feed.wake();
        sleep(AGAIN).await;
    }
}

async fn listen_until_lost(url: &DatabaseUrl, feed: &Feed) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url.expose()).await?;
    listener.listen(CHANNEL).await?;
    feed.wake();
    while listener.try_recv().await?.is_some() {
        feed.wake();
    }
    Ok(())
}

async fn notify(database: &Database, feed: &Feed) {
    loop {
        feed.committed().await;
        sleep(GATHER).await;
        let sent = database
            .write(async |unit| {
                unit.execute_unprepared(&format!("NOTIFY {CHANNEL}"))
                    .await?;
                Ok::<_, NotifyError>(())
            })
            .await;
        if let Err(error) = sent {
            tracing::warn!(%error, "other servers could not be woken");
            sleep(AGAIN).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error(transparent)]
    Database(#[from] sea_orm::DbErr),
    #[error(transparent)]
    Unit(#[from] UnitError),
}
