//! Subscriptions: committed entries, as they come.

use async_graphql::{Context, Error, Object, Result, Subscription};
use futures_util::{Stream, StreamExt};
use unit_of_work::redeliver_shared;

use super::{
    context::LedgerContext as _,
    feed::{FeedEvent, ReadSlot, undelivered},
    input::AccountRef,
    loaders::{self, Entries},
    object::Entry,
    refusal::bad_input,
    scalars::Int64,
};

/// How many accounts a subscription can choose.
const MOST_ACCOUNTS: usize = 100;

/// The arguments of `entryPosted` that choose events, and do not change the response to an event.
const CHOOSING: [&str; 2] = ["accounts", "after"];

/// The subscriptions.
pub struct SubscriptionRoot;

/// Subscriptions to what happens in the ledger.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// Committed entries, each once, whichever server posted them: in the order of their commits wherever they touch a common account.
    /// Nothing that was rolled back is ever here. To go on after an interruption, at any server, give the last cursor that arrived in
    /// `after`: there is no gap and no repeat.
    /// Without `after`, every entry that is committed after the subscription has begun is told. One that was committed before is told
    /// only if an entry with a smaller cursor was committed after.
    /// A stream never goes on after an event that could not be delivered. It ends with the error `FEED_INTERRUPTED`, whose
    /// `extensions.resumeAfter` is the cursor for `after`, or with `FEED_HISTORY_LOST`, if the database has lost what was told.
    async fn entry_posted(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only entries that touch one of these accounts; at most 100. Of an account that there is not, `ACCOUNT_NOT_FOUND`."
        )]
        accounts: Option<Vec<AccountRef>>,
        #[graphql(
            desc = "Those after this cursor; \"0\" is the beginning. From now on by default."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<EntryEvent>> + use<>> {
        let accounts = accounts.map(|accounts| {
            let accounts = accounts.into_iter().map(AccountRef::parse);
            accounts.collect::<Vec<_>>()
        });
        if accounts
            .as_ref()
            .is_some_and(|accounts| accounts.len() > MOST_ACCOUNTS)
        {
            return Err(bad_input(
                "accounts",
                "it has more than 100 accounts: subscribe to all, and choose",
            ));
        }
        let after = after.map(|cursor| parse(&cursor)).transpose()?;
        let feed = ctx.feed().clone();
        let events = feed.subscribe(after, accounts).await?;
        let tells_behind = ctx.look_ahead().field("behind").exists();
        let key = move |event: &FeedEvent| event.key(tells_behind);
        // The slot is taken outside of the shared response. So it is free once the event was executed, and a subscriber that gets another's
        // response takes none.
        let events = redeliver_shared(ctx, events, feed.shared(), &CHOOSING, key, undelivered);
        Ok(events.then(move |event| {
            let feed = feed.clone();
            async move {
                Ok(EntryEvent {
                    event: event?,
                    _slot: feed.read_slot().await,
                })
            }
        }))
    }
}

fn parse(cursor: &str) -> Result<i64> {
    let number = cursor.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| {
        bad_input(
            "after",
            "it is not a cursor: give one as it arrived in an event, or \"0\" for the beginning",
        )
    })
}

/// An entry was committed.
pub struct EntryEvent {
    event: FeedEvent,
    _slot: Option<ReadSlot>,
}

/// An entry was committed.
#[Object]
impl EntryEvent {
    /// For `after`: where to go on.
    async fn cursor(&self) -> String {
        self.event.event.seq.to_string()
    }

    /// How many entries, of all accounts, had been committed after this one when it was sent, at most. A number that grows means that the
    /// client takes events more slowly than they come; none is lost by that.
    async fn behind(&self) -> Int64 {
        Int64(self.event.behind)
    }

    /// The entry, as the database has it now.
    async fn entry(&self, ctx: &Context<'_>) -> Result<Entry> {
        let entry = loaders::load::<Entries, _>(ctx, self.event.event.entry_id).await?;
        // Entries are append-only, and this one was committed before it was announced.
        let entry = entry.ok_or_else(|| Error::new("a committed entry is missing"))?;
        Ok(Entry::new(entry))
    }
}
