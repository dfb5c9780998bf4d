//! Mutations, a verb a file. Every mutation operation is one unit of work: all of its fields happen, or none.
//!
//! What the ledger does for a verb is boxed: a field's future is as large as the largest of its type, and is moved.

mod capture_hold;
mod open_account;
mod place_hold;
mod post_entry;
mod release_hold;
mod reverse_entry;
mod set_account_status;

use async_graphql::{ComplexObject, Context, MergedObject, Result, SimpleObject};
use unit_of_work::ContextExt as _;

use super::{
    answer::count_items,
    context::LedgerContext as _,
    object::{Account, Entry},
};
use crate::ledger::{self, AccountRef, ExpectedVersion, LockSet, NewLine};

/// What clients do. All fields of one operation happen together, or none does.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct MutationRoot(
    open_account::OpenAccountMutation,
    set_account_status::SetAccountStatusMutation,
    post_entry::PostEntryMutation,
    place_hold::PlaceHoldMutation,
    capture_hold::CaptureHoldMutation,
    release_hold::ReleaseHoldMutation,
    reverse_entry::ReverseEntryMutation,
);

/// The account as it is now.
#[derive(SimpleObject)]
pub struct AccountPayload {
    /// The account as it is now.
    account: Account,
}

/// A new entry, and what it changed.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct EntryPayload {
    /// The entry.
    entry: Entry,
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
    /// The payload; the feed is woken once the entry is committed. The entry proves the COMMIT: its id was drawn for it, and
    /// entries are never deleted.
    fn of(ctx: &Context<'_>, posted: ledger::PostedEntry) -> Self {
        ctx.unit().evidence("entry", posted.entry.id);
        let feed = ctx.feed().clone();
        ctx.unit().after_commit(async move { feed.commit() });
        Self {
            entry: Entry::with_lines(posted.entry, posted.lines),
            accounts: posted.accounts.into_iter().map(Account).collect(),
        }
    }
}

/// The accounts that an entry of these lines locks.
fn locks_of(lines: &[NewLine], expect: &[ExpectedVersion]) -> LockSet {
    let named = lines.iter().flat_map(|line| [&line.debit, &line.credit]);
    let mut accounts: Vec<_> = named.cloned().collect();
    accounts.extend(expected(expect));
    LockSet {
        accounts,
        entries: Vec::new(),
    }
}

fn expected(expect: &[ExpectedVersion]) -> Vec<AccountRef> {
    expect.iter().map(|it| it.account.clone()).collect()
}
