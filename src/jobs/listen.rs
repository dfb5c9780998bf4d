//! Hears from the other servers of a PostgreSQL database that something was committed.
//!
//! Only a hint: whoever misses it looks a second later. On SQLite the file's other users are found by that look.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{sleep, timeout};

use super::{Job, notify::CHANNEL};
use crate::{config::DatabaseUrl, graphql::Feed};

/// How long a connection may be silent before it is asked whether it is there still.
const SILENCE: Duration = Duration::from_secs(30);

/// How long to wait after a connection that was lost or could not be made.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Listen {
    url: DatabaseUrl,
    feed: Feed,
    listener: Option<PgListener>,
    /// Whether a connection was tried before.
    has_tried: bool,
    /// Whether nothing shows that the server still notifies this connection.
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
        // Taken out, so that a connection on which this fails is not used again.
        let mut listener = match self.listener.take() {
            Some(listener) => listener,
            None => {
                self.has_tried = true;
                PgListener::connect(self.url.expose()).await?
            }
        };
        if std::mem::take(&mut self.is_silent) {
            // Saying it again changes nothing, and shows that the server is there.
            listener.listen(CHANNEL).await?;
        }
        self.listener = Some(listener);
        // After a new connection too: what came before it was not heard.
        self.feed.wake();
        Ok(())
    }
}
