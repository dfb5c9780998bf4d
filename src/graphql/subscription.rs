//! Subscriptions: committed entries and changes, as they come.

use async_graphql::{Context, Error, Object, Result, Subscription};
use futures_util::{Stream, StreamExt};
use unit_of_work::redeliver_shared;

use super::{
    context::LedgerContext as _,
    feed::{FeedEvent, ReadSlot, undelivered},
    input::{AccountRef, parse_cursor},
    loaders::{self, Entries, EntryChanges},
    object::{AccountChange, Entry, EntryChange},
    refusal::bad_input,
    scalars::Int64,
};
use crate::ledger::{EventKind, OutboxEvent, Subject};

/// How many accounts a subscription can choose.
const MOST_ACCOUNTS: usize = 100;

/// The arguments of subscriptions that choose events, and do not change the response to an event.
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
        let events = events(ctx, EventKind::Entry, accounts, after).await?;
        Ok(events.map(|event| Ok(EntryEvent(event?))))
    }

    /// Accounts that were opened, and changes of their name, class, limit, status and metadata: each committed change once, whichever
    /// server made it, with what was before and after. Changes of one account come in the order of their commits. The cursors are those of
    /// `entryPosted`, since both are numbers of one feed: of two events about one account, the one with the smaller cursor was committed
    /// first. Otherwise this is as `entryPosted`: `after` resumes without a gap and without a repeat, and a stream that cannot go on ends.
    async fn account_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these accounts; at most 100.")] accounts: Option<Vec<AccountRef>>,
        #[graphql(
            desc = "Those after this cursor; \"0\" is the beginning. From now on by default."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<AccountEvent>> + use<>> {
        let events = events(ctx, EventKind::AccountChange, accounts, after).await?;
        Ok(events.map(|event| Ok(AccountEvent(event?))))
    }

    /// Metadata that was added to entries: each committed change once, whichever server made it, with what was before and after. This is
    /// as `accountChanged`, and the cursors are numbers of the same feed.
    async fn entry_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only entries that touch one of these accounts; at most 100.")]
        accounts: Option<Vec<AccountRef>>,
        #[graphql(
            desc = "Those after this cursor; \"0\" is the beginning. From now on by default."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<EntryChangeEvent>> + use<>> {
        let events = events(ctx, EventKind::EntryChange, accounts, after).await?;
        Ok(events.map(|event| Ok(EntryChangeEvent(event?))))
    }
}

/// The events of a kind, each with the right to execute it.
async fn events(
    ctx: &Context<'_>,
    kind: EventKind,
    accounts: Option<Vec<AccountRef>>,
    after: Option<String>,
) -> Result<impl Stream<Item = Result<Event>> + use<>> {
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
    let after = after
        .map(|cursor| parse_cursor("after", &cursor))
        .transpose()?;
    let feed = ctx.feed().clone();
    let visible = ctx.visible().cloned();
    let events = feed.subscribe(kind, after, accounts, visible).await?;
    let tells_behind = ctx.look_ahead().field("behind").exists();
    let key = move |event: &FeedEvent| event.key(tells_behind);
    // The slot is taken outside of the shared response. So it is free once the event was executed, and a subscriber that gets another's
    // response takes none.
    let events = redeliver_shared(ctx, events, feed.shared(), &CHOOSING, key, undelivered);
    Ok(events.then(move |event| {
        let feed = feed.clone();
        async move {
            Ok(Event {
                event: event?,
                _slot: feed.read_slot().await,
            })
        }
    }))
}

/// An event, and the right to execute it.
struct Event {
    event: FeedEvent,
    _slot: Option<ReadSlot>,
}

impl Event {
    /// An event that is told by itself, outside of a stream.
    const fn alone(event: OutboxEvent) -> Self {
        Self {
            event: FeedEvent::alone(event),
            _slot: None,
        }
    }

    fn cursor(&self) -> String {
        self.event.event.seq.to_string()
    }
}

/// An entry was committed.
pub struct EntryEvent(Event);

impl EntryEvent {
    pub(super) const fn alone(event: OutboxEvent) -> Self {
        Self(Event::alone(event))
    }
}

/// An entry was committed.
#[Object]
impl EntryEvent {
    /// For `after`: where to go on.
    async fn cursor(&self) -> String {
        self.0.cursor()
    }

    /// How many events of the feed, of all accounts, had been committed after this one when it was sent, at most. A number that grows means
    /// that the client takes events more slowly than they come; none is lost by that.
    async fn behind(&self) -> Int64 {
        Int64(self.0.event.behind)
    }

    /// The entry, as the database has it now.
    async fn entry(&self, ctx: &Context<'_>) -> Result<Entry> {
        let missing = || Error::new("a committed entry is missing");
        let Subject::Entry(id) = self.0.event.event.subject else {
            return Err(missing());
        };
        let entry = loaders::load::<Entries, _>(ctx, id).await?;
        // Entries are append-only, and this one was committed before it was announced.
        Ok(Entry::new(entry.ok_or_else(missing)?))
    }
}

/// An account was opened, or what describes it was changed.
pub struct AccountEvent(Event);

impl AccountEvent {
    pub(super) const fn alone(event: OutboxEvent) -> Self {
        Self(Event::alone(event))
    }
}

/// An account was opened, or what describes it was changed.
#[Object]
impl AccountEvent {
    /// For `after`: where to go on.
    async fn cursor(&self) -> String {
        self.0.cursor()
    }

    /// How many events of the feed, of all accounts, had been committed after this one when it was sent, at most.
    async fn behind(&self) -> Int64 {
        Int64(self.0.event.behind)
    }

    /// The change. `change { account { … } }` is the account as the database has it now.
    async fn change(&self) -> Result<AccountChange> {
        match self.0.event.event.subject {
            Subject::AccountChange(id, revision) => Ok(AccountChange((id, revision))),
            _ => Err(Error::new("the event is not about an account")),
        }
    }
}

/// Metadata was added to an entry.
pub struct EntryChangeEvent(Event);

impl EntryChangeEvent {
    pub(super) const fn alone(event: OutboxEvent) -> Self {
        Self(Event::alone(event))
    }
}

/// Metadata was added to an entry.
#[Object]
impl EntryChangeEvent {
    /// For `after`: where to go on.
    async fn cursor(&self) -> String {
        self.0.cursor()
    }

    /// How many events of the feed, of all accounts, had been committed after this one when it was sent, at most.
    async fn behind(&self) -> Int64 {
        Int64(self.0.event.behind)
    }

    /// The change. `change { entry { … } }` is the entry as the database has it now.
    async fn change(&self, ctx: &Context<'_>) -> Result<EntryChange> {
        let missing = || Error::new("a committed change of an entry is missing");
        let Subject::EntryChange(id, number) = self.0.event.event.subject else {
            return Err(missing());
        };
        let changes = loaders::load::<EntryChanges, _>(ctx, id).await?;
        let mut changes = changes.unwrap_or_default().into_iter();
        let change = changes.find(|change| change.number == number);
        Ok(EntryChange(change.ok_or_else(missing)?))
    }
}
