//! Announces committed entries to the subscriptions of this process.

use std::{collections::BTreeSet, sync::Arc};

use async_graphql::futures_util::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

/// How many entries a subscriber may be behind before it is told to start again.
const BACKLOG: usize = 1024;

/// Where entries are announced after their COMMIT. Cheap to clone; all clones are one feed.
#[derive(Clone, Debug)]
pub struct Feed(broadcast::Sender<Arc<Announcement>>);

/// A committed entry, with what subscribers choose by.
#[derive(Debug)]
pub(super) struct Announcement {
    pub(super) entry_id: Uuid,
    pub(super) account_ids: BTreeSet<Uuid>,
    pub(super) account_codes: BTreeSet<String>,
}

/// A subscriber was too slow: entries were lost to it.
#[derive(Debug)]
pub(super) struct FellBehind {
    pub(super) missed: u64,
}

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl Feed {
    /// To be called after COMMIT, and only then.
    pub(super) fn announce(&self, announcement: Announcement) {
        // Nobody listens: nobody misses it.
        let _ = self.0.send(Arc::new(announcement));
    }

    /// All that is announced from now on, and the end at the first loss.
    pub(super) fn subscribe(
        &self,
    ) -> impl Stream<Item = Result<Arc<Announcement>, FellBehind>> + use<> {
        stream::unfold(Some(self.0.subscribe()), |receiver| async {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Ok(announcement) => Some((Ok(announcement), Some(receiver))),
                Err(RecvError::Lagged(missed)) => Some((Err(FellBehind { missed }), None)),
                Err(RecvError::Closed) => None,
            }
        })
    }
}
