//! Posts an entry.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        context::LedgerContext as _,
        error::refuse,
        feed::Announcement,
        input::{AccountRef, ExpectedVersion, LineInput},
        object::{Account, Entry},
        scalars::{DateTime, Json},
    },
    ledger::{self, NewLine, PostEntry},
};

/// An entry to post.
#[derive(InputObject)]
pub struct PostEntryInput {
    /// What to move, in order; at least one.
    lines: Vec<LineInput>,
    /// When it counts from; now by default.
    effective_at: Option<DateTime>,
    /// What people read: at most 1000 characters.
    description: Option<String>,
    /// A JSON object of your own: at most 16 KiB.
    metadata: Option<Json>,
    /// Optimistic lock: refuse unless these accounts are still at these versions.
    expect: Option<Vec<ExpectedVersion>>,
}

/// A posted entry, and what it changed.
#[derive(SimpleObject)]
pub struct EntryPayload {
    /// The entry.
    entry: Entry,
    /// The accounts that it touched, as they are now.
    accounts: Vec<Account>,
}

#[derive(Default)]
pub struct PostEntryMutation;

#[Object]
impl PostEntryMutation {
    /// Moves money: every line, or none. Several aliased `postEntry` in one operation are one batch: all, or none.
    async fn post_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry.")] input: PostEntryInput,
    ) -> Result<EntryPayload> {
        let now = ctx.now();
        let command = input.parse(ledger::new_entry_id(now, ledger::random()))?;
        let posted = ledger::post_entry(ctx.unit(), command, now)
            .await
            .map_err(refuse)?;
        announce(ctx, &posted);
        Ok(EntryPayload {
            entry: Entry(posted.entry),
            accounts: posted.accounts.into_iter().map(Account).collect(),
        })
    }
}

/// Tells the subscribers, once the entry is committed.
fn announce(ctx: &Context<'_>, posted: &ledger::PostedEntry) {
    let feed = ctx.feed().clone();
    let announcement = Announcement {
        entry_id: posted.entry.id,
        account_ids: posted.accounts.iter().map(|account| account.id).collect(),
        account_codes: posted
            .accounts
            .iter()
            .map(|account| account.code.clone())
            .collect(),
    };
    ctx.unit()
        .after_commit(async move { feed.announce(announcement) });
}

impl PostEntryInput {
    fn parse(self, id: uuid::Uuid) -> Result<PostEntry> {
        let lines = self.lines.into_iter().map(|line| {
            Ok(NewLine {
                debit: line.debit.parse()?,
                credit: line.credit.parse()?,
                amount: line.amount.0,
                currency: line.currency.0,
            })
        });
        let expect = self.expect.unwrap_or_default().into_iter().map(|expected| {
            Ok(ledger::ExpectedVersion {
                account: AccountRef::parse(expected.account)?,
                version: expected.version.0,
            })
        });
        Ok(PostEntry {
            id,
            lines: lines.collect::<Result<_>>()?,
            effective_at: self.effective_at.map(|at| at.0),
            description: self.description,
            metadata: self.metadata.map(|metadata| metadata.0),
            expect: expect.collect::<Result<_>>()?,
        })
    }
}
