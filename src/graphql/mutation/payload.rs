//! The payloads of mutations.

use async_graphql::{ComplexObject, Context, Object, Result, SimpleObject};
use daybook_entity::account;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        context::LedgerContext as _,
        count_items::count_items,
        object::{Account, Entry},
    },
    ledger,
};

/// The account as it is now.
#[derive(SimpleObject)]
pub struct AccountPayload {
    /// The account as it is now.
    account: Account,
}

impl AccountPayload {
    /// The payload of an account that was opened or changed. The feed is woken once that is committed.
    pub(super) fn of(ctx: &Context<'_>, account: account::Model) -> Self {
        tell_feed(ctx);
        Self {
            account: Account(account),
        }
    }
}

/// Wakes the feed once the operation is committed.
pub(super) fn tell_feed(ctx: &Context<'_>) {
    let feed = ctx.feed().clone();
    ctx.unit().after_commit(async move { feed.commit() });
}

/// An entry, and the accounts that it changed.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct EntryPayload {
    /// The entry.
    entry: Entry,
    /// Whether the entry was there before, under the `reference` that was given: then nothing was posted now.
    already_posted: bool,
    #[graphql(skip)]
    accounts: Vec<Account>,
}

#[ComplexObject]
impl EntryPayload {
    /// The accounts that it touched, as they are now.
    async fn accounts(&self, ctx: &Context<'_>) -> Result<&[Account]> {
        count_items(ctx, self.accounts.len())?;
        Ok(&self.accounts)
    }
}

impl EntryPayload {
    /// The payload of an entry. The feed is woken once a new entry is committed. The row of a new entry proves the COMMIT: its id is new,
    /// and entries are never deleted. The row of an entry that was there before proves nothing.
    pub(super) fn of(ctx: &Context<'_>, posted: ledger::PostedEntry) -> Self {
        if !posted.already_posted {
            ctx.unit().evidence("entry", posted.entry.id);
            tell_feed(ctx);
        }
        Self {
            already_posted: posted.already_posted,
            entry: Entry::with_lines(posted.entry, posted.lines),
            accounts: posted.accounts.into_iter().map(Account).collect(),
        }
    }
}

/// The entries of a list, and the accounts that they changed.
pub struct PostEntriesPayload {
    entries: Vec<Entry>,
    accounts: Vec<Account>,
}

/// The entries of a list, and the accounts that they changed.
#[Object]
impl PostEntriesPayload {
    /// The entries, in the order of the list.
    async fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The accounts that they touched, as they are now.
    async fn accounts(&self, ctx: &Context<'_>) -> Result<&[Account]> {
        count_items(ctx, self.accounts.len())?;
        Ok(&self.accounts)
    }
}

impl PostEntriesPayload {
    /// The payload of new entries. As with one entry, the feed is woken once they are committed, and the row of one proves the COMMIT.
    pub(super) fn of(ctx: &Context<'_>, posted: ledger::PostedEntries) -> Self {
        if let Some((entry, _)) = posted.entries.first() {
            ctx.unit().evidence("entry", entry.id);
        }
        let feed = ctx.feed().clone();
        ctx.unit().after_commit(async move { feed.commit() });
        let entries = posted.entries.into_iter();
        Self {
            entries: entries
                .map(|(entry, lines)| Entry::with_lines(entry, lines))
                .collect(),
            accounts: posted.accounts.into_iter().map(Account).collect(),
        }
    }
}
