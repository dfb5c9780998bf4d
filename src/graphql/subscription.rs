//! Subscriptions: committed entries, as they come.

use async_graphql::{Context, Error, ErrorExtensions, Object, Result, Subscription};
use futures_util::{Stream, StreamExt};
use unit_of_work::ContextExt as _;
use uuid::Uuid;

use super::{
    context::LedgerContext as _,
    feed::{Announcement, FellBehind},
    input::AccountRef,
    loaders::Entries,
    object::Entry,
};
use crate::ledger;

/// What clients are told of.
pub struct SubscriptionRoot;

/// What clients are told of, as it happens.
#[Subscription(name = "Subscription")]
impl SubscriptionRoot {
    /// The entries that this server commits from now on, in the order in which it learns of the commits. Nothing that was
    /// rolled back is ever here.
    async fn entry_posted(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only entries that touch one of these accounts.")] accounts: Option<
            Vec<AccountRef>,
        >,
    ) -> Result<impl Stream<Item = Result<EntryEvent>> + use<>> {
        let accounts = accounts
            .map(|accounts| {
                accounts
                    .into_iter()
                    .map(AccountRef::parse)
                    .collect::<Result<Vec<_>>>()
            })
            .transpose()?;
        let events = ctx.feed().subscribe().filter_map(move |announced| {
            let event = match announced {
                Ok(announced) => wanted(accounts.as_deref(), &announced)
                    .then_some(Ok(EntryEvent(announced.entry_id))),
                Err(FellBehind { missed }) => Some(Err(fell_behind(missed))),
            };
            async { event }
        });
        Ok(events)
    }
}

fn wanted(accounts: Option<&[ledger::AccountRef]>, announced: &Announcement) -> bool {
    accounts.is_none_or(|accounts| {
        accounts.iter().any(|account| match account {
            ledger::AccountRef::Id(id) => announced.account_ids.contains(id),
            ledger::AccountRef::Code(code) => announced.account_codes.contains(code),
        })
    })
}

fn fell_behind(missed: u64) -> Error {
    Error::new("This subscription was too slow and has missed entries. Read `entries`, then subscribe again.")
        .extend_with(|_, extensions| {
            extensions.set("code", "FELL_BEHIND");
            extensions.set("retryable", true);
            extensions.set("missed", missed.to_string());
        })
}

/// An entry was committed.
pub struct EntryEvent(Uuid);

/// An entry was committed.
#[Object]
impl EntryEvent {
    /// The entry, as the database has it now.
    async fn entry(&self, ctx: &Context<'_>) -> Result<Entry> {
        let entry = ctx.loader::<Entries>().load_one(self.0).await?;
        // Entries are append-only, and this one was committed before it was announced.
        let entry = entry.ok_or_else(|| Error::new("a committed entry is missing"))?;
        Ok(Entry(entry))
    }
}
