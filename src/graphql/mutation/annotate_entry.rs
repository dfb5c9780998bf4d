//! Adds metadata to an entry.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::payload::tell_feed;
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{EntryRef, viewer},
        object::Entry,
        refusal::refuse,
        scalars::Json,
    },
    ledger::{self, AnnotateEntry},
};

/// An entry, and metadata to add to it.
#[derive(InputObject)]
pub struct AnnotateEntryInput {
    /// The entry.
    entry: EntryRef,
    /// A JSON object whose keys are added. What is inside a key is not merged. All of the entry's metadata has at most 16 KiB.
    metadata: Json,
    /// Whether keys that have other values already get these. By default they are refused. `Entry.changes` keeps the other values.
    #[graphql(default)]
    replace: bool,
}

/// The entry as it is now.
#[derive(SimpleObject)]
pub struct AnnotateEntryPayload {
    /// The entry as it is now.
    entry: Entry,
}

#[derive(Default)]
pub struct AnnotateEntryMutation;

#[Object]
impl AnnotateEntryMutation {
    /// Adds keys to the metadata of an entry. Nothing else of an entry ever changes. `Entry.changes` keeps what the metadata was.
    async fn annotate_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry, and the metadata.")] input: AnnotateEntryInput,
    ) -> Result<AnnotateEntryPayload> {
        let command = AnnotateEntry {
            entry: input.entry.parse()?,
            metadata: input.metadata.0,
            replace: input.replace,
            recorded_by: viewer(ctx),
        };
        let entry = ledger::annotate_entry(ctx.unit(), command, ctx.clock())
            .boxed()
            .await
            .map_err(refuse)?;
        tell_feed(ctx);
        Ok(AnnotateEntryPayload {
            entry: Entry::new(entry),
        })
    }
}
