//! Posts a list of entries.

use async_graphql::{Context, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::{lock_set::locks_of, payload::PostEntriesPayload, post_entry::PostEntryInput};
use crate::{
    graphql::{context::LedgerContext as _, locks::in_order, refusal::refuse},
    ledger::{self, LockSet, PostEntry},
};

#[derive(Default)]
pub struct PostEntriesMutation;

#[Object]
impl PostEntriesMutation {
    /// Posts a list of entries in its order: all of them, or none. They are recorded at the same instant. The refusal of one names it:
    /// `extensions.index` is its place in the list, from 0, and `extensions.field` begins with `inputs[…]`.
    async fn post_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The entries: 1 to 500, with at most 1500 lines together. `onTakenReference` must be REFUSE."
        )]
        inputs: Vec<PostEntryInput>,
    ) -> Result<PostEntriesPayload> {
        let commands: Vec<PostEntry> = inputs.into_iter().map(|it| it.command(ctx)).collect();
        let mut locks = LockSet::default();
        for command in &commands {
            let own = locks_of(&command.lines, &command.expect, &command.conditions);
            locks.accounts.extend(own.accounts);
        }
        let verb = ledger::post_entry_list(ctx.unit(), commands, ctx.clock());
        let posted = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(PostEntriesPayload::of(ctx, posted))
    }
}
