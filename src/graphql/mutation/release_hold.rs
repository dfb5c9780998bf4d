//! Frees what a hold has set aside.

use async_graphql::{Context, ID, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::payload::EntryPayload;
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{OnTakenReference, entry_id, minor_units, notes},
        locks::in_order,
        refusal::refuse,
        scalars::{DateTime, Int64, Json},
    },
    ledger::{self, LockSet, ReleaseHold},
};

/// A hold to release.
#[derive(InputObject)]
pub struct ReleaseHoldInput {
    /// The hold: `entry_…`
    hold: ID,
    /// How much of each of its lines to free, in their order: minor units, 0 to what is still set aside; the rest stays set aside. All of it
    /// by default. For a hold of one line, `amounts: "500"` is enough.
    amounts: Option<Vec<Int64>>,
    /// When the release counts from; now by default, and not before the hold. A date means its first instant in UTC.
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
}

#[derive(Default)]
pub struct ReleaseHoldMutation;

#[Object]
impl ReleaseHoldMutation {
    /// Frees what a hold has set aside, all that is left of it or a part, expired or not, on frozen accounts too.
    async fn release_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The hold, and how much of it.")] input: ReleaseHoldInput,
    ) -> Result<EntryPayload> {
        let command = ReleaseHold {
            id: ledger::new_entry_id(ctx.now(), ledger::random()),
            hold_id: entry_id("hold", &input.hold)?,
            amounts: minor_units(input.amounts),
            notes: notes(
                ctx,
                input.reference,
                input.on_taken_reference,
                input.effective_at,
                input.description,
                input.metadata,
            ),
        };
        let locks = LockSet {
            entries: vec![command.hold_id],
            ..LockSet::default()
        };
        let verb = ledger::release_hold(ctx.unit(), command, ctx.clock());
        let posted = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(EntryPayload::of(ctx, posted))
    }
}
