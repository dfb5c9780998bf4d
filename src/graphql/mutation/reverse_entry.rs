//! Undoes an entry.

use async_graphql::{Context, ID, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::{lock_set::looked_at, payload::EntryPayload};
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{
            BalanceCondition, ExpectedVersion, OnTakenReference, entry_id, minor_units, notes,
        },
        locks::in_order,
        refusal::refuse,
        scalars::{DateTime, Int64, Json},
    },
    ledger::{self, LockSet, ReverseEntry},
};

/// An entry to reverse.
#[derive(InputObject)]
pub struct ReverseEntryInput {
    /// The entry: `entry_…`
    entry: ID,
    /// How much to move back of each of its lines that have moved money (the first ones of a capture), in their order: minor units, 0 to what
    /// is left of the line. All that is left by default. For an entry of one line, `amounts: "500"` is enough.
    amounts: Option<Vec<Int64>>,
    /// When the reversal counts from; now by default, and not before the entry. A date means its first instant in UTC.
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

#[derive(Default)]
pub struct ReverseEntryMutation;

#[Object]
impl ReverseEntryMutation {
    /// Writes the mirror image of an entry: what it has moved is moved back, all that is left of it or a part. Never more than it has moved;
    /// limits hold for it too.
    async fn reverse_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry, and how much of it.")] input: ReverseEntryInput,
    ) -> Result<EntryPayload> {
        let command = ReverseEntry {
            id: ledger::new_entry_id(ctx.now(), ledger::random()),
            entry_id: entry_id("entry", &input.entry)?,
            amounts: minor_units(input.amounts),
            notes: notes(
                ctx,
                input.reference,
                input.on_taken_reference,
                input.effective_at,
                input.description,
                input.metadata,
            ),
            expect: ExpectedVersion::parse_all(input.expect),
            conditions: BalanceCondition::parse_all(input.conditions),
        };
        let locks = LockSet {
            accounts: looked_at(&command.expect, &command.conditions),
            entries: vec![command.entry_id],
        };
        let verb = ledger::reverse_entry(ctx.unit(), command, ctx.clock());
        let posted = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(EntryPayload::of(ctx, posted))
    }
}
