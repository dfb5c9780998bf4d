//! Subscribing to the feed.

use async_graphql::Result;
use futures_util::{Stream, stream};

use super::{Feed, event::FeedEvent, reader::Reader, subscriber::Subscriber};
use crate::ledger::AccountRef;

impl Feed {
    /// Events after number `after`, or from now on, that touch one of `accounts`, if any are given. The stream ends only with an
    /// error.
    ///
    /// *From now on* misses nothing that is committed after this call has begun. It begins with the first event that was not
    /// visible then; an event that was visible comes only after one with a smaller number that was not.
    ///
    /// # Errors
    /// `TOO_MANY_SUBSCRIPTIONS`; `BAD_USER_INPUT` for a number that the outbox has not reached; and when the database fails for
    /// longer than the deadline.
    pub(in crate::graphql) async fn subscribe(
        &self,
        after: Option<i64>,
        accounts: Option<Vec<AccountRef>>,
    ) -> Result<impl Stream<Item = Result<FeedEvent>> + use<>> {
        let subscriber = Subscriber::admit(self, accounts.is_some())?;
        let settled = self.0.settled.subscribe();
        self.0.woken.notify_one();
        let reader = Reader::begin(subscriber, settled, after, accounts).await?;
        Ok(stream::unfold(Some(reader), |reader| async {
            let mut reader = reader?;
            match reader.next().await {
                Ok(event) => Some((Ok(event), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}
