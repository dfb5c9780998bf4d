//! Listens for notifications from other servers of a PostgreSQL database that something was committed.
//!
//! A notification is only a hint: if one is missed, the feed looks for new entries a second later. On SQLite, that look is the only way.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::{Job, notify::CHANNEL};
use crate::{config::DatabaseUrl, graphql::Feed};

/// How long a connection may be silent before it is checked.
const SILENCE: Duration = Duration::from_secs(30);

/// How long one of several servers may take to answer.
const ONE: Duration = Duration::from_secs(2);

/// How long to wait after a connection that was lost or could not be made.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Listen {
    url: DatabaseUrl,
    feed: Feed,
    listener: Option<PgListener>,
    /// Whether a connection was tried before.
    has_tried: bool,
    /// Whether the connection has been silent for too long, and must be checked.
    is_silent: bool,
}

impl Listen {
    pub(crate) fn new(url: DatabaseUrl, feed: Feed) -> Self {
        Self {
            url,
            feed,
            listener: None,
            has_tried: false,
            is_silent: true,
        }
    }
}

impl Job for Listen {
    const NAME: &'static str = "listen";
    const LIMIT: Duration = Duration::from_secs(10);
    type Error = sqlx::Error;

    async fn due(&mut self) -> bool {
        let Some(listener) = &mut self.listener else {
            if self.has_tried {
                sleep(AGAIN).await;
            }
            return true;
        };
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => {}
            Err(_) => self.is_silent = true,
            Ok(Ok(None) | Err(_)) => {
                tracing::warn!("the connection that hears from other servers was lost");
                self.listener = None;
                self.is_silent = true;
            }
        }
        true
    }

    async fn activate(&mut self) -> Result<(), sqlx::Error> {
        // Taken out, so that a connection that fails here is not used again.
        let listener = match self.listener.take() {
            Some(mut listener) => {
                if self.is_silent {
                    // Repeating LISTEN changes nothing, and shows whether the server still answers.
                    listener.listen(CHANNEL).await?;
                }
                listener
            }
            None => {
                self.has_tried = true;
                listen(self.url.servers()).await?
            }
        };
        self.is_silent = false;
        self.listener = Some(listener);
        // After a new connection too: notifications before it were missed.
        self.feed.wake();
        Ok(())
    }
}

/// Listens at the first server that allows it. A standby does not.
async fn listen(servers: &[PgConnectOptions]) -> Result<PgListener, sqlx::Error> {
    let mut failed = sqlx::Error::PoolClosed;
    for server in servers {
        let listening = async {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(None)
                .idle_timeout(None)
                .connect_with(server.clone())
                .await?;
            let mut listener = PgListener::connect_with(&pool).await?;
            // What to do is decided here: another server may be the primary then.
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        failed = match timeout(ONE, listening).await {
            Ok(Ok(listener)) => return Ok(listener),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
    }
    Err(failed)
}
