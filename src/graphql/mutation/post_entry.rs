//! Posts an entry.

use async_graphql::{Context, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::{lock_set::locks_of, payload::EntryPayload};
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{BalanceCondition, ExpectedVersion, LineInput, OnTakenReference, notes},
        locks::in_order,
        refusal::refuse,
        scalars::{DateTime, Json},
    },
    ledger::{self, PostEntry},
};

/// An entry to post.
#[derive(InputObject)]
pub struct PostEntryInput {
    /// What to move, in order; at least one.
    lines: Vec<LineInput>,
    /// When it counts from; now by default. A date means its first instant in UTC.
    effective_at: Option<DateTime>,
    /// Your own name for the entry: 1 to 200 visible characters. No other entry ever has the same, so that nothing is posted twice.
    reference: Option<String>,
    /// What to answer if another entry has the reference.
    #[graphql(default_with = "OnTakenReference::Refuse")]
    on_taken_reference: OnTakenReference,
    /// A text for people: at most 1000 characters.
    description: Option<String>,
    /// A JSON object of your own: at most 16 KiB.
    metadata: Option<Json>,
    /// Optimistic lock: refuse unless these accounts are still at these versions.
    expect: Option<Vec<ExpectedVersion>>,
    /// What balances must be for the entry to be posted, as they are at that moment, before it: of its accounts, or of others. Otherwise
    /// `CONDITION_NOT_MET`.
    conditions: Option<Vec<BalanceCondition>>,
}

impl PostEntryInput {
    pub(super) fn command(self, ctx: &Context<'_>) -> PostEntry {
        PostEntry {
            id: ledger::new_entry_id(ctx.now(), ledger::random()),
            lines: LineInput::parse_all(self.lines),
            notes: notes(
                ctx,
                self.reference,
                self.on_taken_reference,
                self.effective_at,
                self.description,
                self.metadata,
            ),
            expect: ExpectedVersion::parse_all(self.expect),
            conditions: BalanceCondition::parse_all(self.conditions),
        }
    }
}

#[derive(Default)]
pub struct PostEntryMutation;

#[Object]
impl PostEntryMutation {
    /// Moves money: every line, or none. Several aliased `postEntry` in one operation are one batch: all, or none. For more than a few
    /// entries, `postEntries` takes a list.
    async fn post_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry.")] input: PostEntryInput,
    ) -> Result<EntryPayload> {
        let command = input.command(ctx);
        let locks = locks_of(&command.lines, &command.expect, &command.conditions);
        let verb = ledger::post_entry(ctx.unit(), command, ctx.clock());
        let posted = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(EntryPayload::of(ctx, posted))
    }
}
