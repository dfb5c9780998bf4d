//! Subscribing to the feed.

use async_graphql::Result;
use futures_util::{Stream, stream};

use super::{Feed, error::unreadable, event::FeedEvent, reader::Reader, subscriber::Subscriber};
use crate::{
    graphql::refusal::refuse,
    ledger::{self, AccountRef, EventKind, Visible},
};

impl Feed {
    /// A stream of the events of one kind after number `after`, or from now on, that touch one of `accounts`, if any are given, and are
    /// of a visible ledger, if not all are. It ends only with an error.
    ///
    /// *From now on* misses nothing that is committed after the call has begun. The stream begins with the first event that was not
    /// visible then. After it can come events that were visible, if their numbers are larger.
    ///
    /// # Errors
    /// `TOO_MANY_SUBSCRIPTIONS`; `ACCOUNT_NOT_FOUND`; `BAD_USER_INPUT` for a number that the outbox has not reached; and if the database fails for longer than
    /// the deadline.
    pub(in crate::graphql) async fn subscribe(
        &self,
        kind: EventKind,
        after: Option<i64>,
        accounts: Option<Vec<AccountRef>>,
        visible: Option<Visible>,
    ) -> Result<impl Stream<Item = Result<FeedEvent>> + use<>> {
        let subscriber = Subscriber::admit(self, accounts.is_some() || visible.is_some())?;
        if let Some(accounts) = &accounts {
            let visible = visible.as_ref();
            let look =
                async |unit| ledger::unknown_account(&unit, "accounts", accounts, visible).await;
            let unknown = self.read(look).await;
            let unknown = unknown.map_err(|error| unreadable(after.unwrap_or(0), &error))?;
            if let Some(unknown) = unknown {
                return Err(refuse(unknown));
            }
        }
        let settled = self.0.settled.subscribe();
        self.0.woken.notify_one();
        let reader = Reader::begin(subscriber, settled, after, kind, accounts, visible).await?;
        Ok(stream::unfold(Some(reader), |reader| async {
            let mut reader = reader?;
            match reader.next().await {
                Ok(event) => Some((Ok(event), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}
