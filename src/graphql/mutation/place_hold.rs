//! Sets money aside.

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
        time::Time,
    },
    ledger::{self, PlaceHold},
};

/// Money to set aside.
#[derive(InputObject)]
pub struct PlaceHoldInput {
    /// What to set aside, in order; at least one. Each line says from where to where a capture will move it.
    lines: Vec<LineInput>,
    /// From when on the hold can no longer be captured; never by default. It is then released by the server. An instant: a date is refused.
    expires_at: Option<Time>,
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
    /// What balances must be for the hold to be placed, as they are at that moment, before it: of its accounts, or of others. Otherwise
    /// `CONDITION_NOT_MET`.
    conditions: Option<Vec<BalanceCondition>>,
}

#[derive(Default)]
pub struct PlaceHoldMutation;

#[Object]
impl PlaceHoldMutation {
    /// Sets money aside: it stays where it is, counts against limits at once, and is later captured or released.
    async fn place_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The hold.")] input: PlaceHoldInput,
    ) -> Result<EntryPayload> {
        let expires_at = input.expires_at.map(|at| at.instant("expiresAt"));
        let command = PlaceHold {
            id: ledger::new_entry_id(ctx.now(), ledger::random()),
            lines: LineInput::parse_all(input.lines),
            expires_at: expires_at.transpose()?,
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
        let locks = locks_of(&command.lines, &command.expect, &command.conditions);
        let verb = ledger::place_hold(ctx.unit(), command, ctx.clock());
        let posted = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(EntryPayload::of(ctx, posted))
    }
}
