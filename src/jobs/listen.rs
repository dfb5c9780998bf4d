//! Listens for notifications from other servers of a PostgreSQL database that something was committed.
//!
//! A notification is only a hint: if one is missed, the feed looks for new entries a second later. On SQLite, that look is the only way.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{sleep, timeout};

use super::{Job, notify::CHANNEL};
use crate::{config::DatabaseUrl, graphql::Feed};

/// How long a connection may be silent before it is checked.
const SILENCE: Duration = Duration::from_secs(30);

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
        let mut listener = match self.listener.take() {
            Some(listener) => listener,
            None => {
                self.has_tried = true;
                PgListener::connect(self.url.expose()).await?
            }
        };
        if std::mem::take(&mut self.is_silent) {
            // Repeating LISTEN changes nothing, and shows whether the server still answers.
            listener.listen(CHANNEL).await?;
        }
        self.listener = Some(listener);
        // After a new connection too: notifications before it were missed.
        self.feed.wake();
        Ok(())
    }
}
