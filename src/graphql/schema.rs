//! The whole schema: ready to execute, and as text.

use async_graphql::{SDLExportOptions, Schema, SchemaBuilder};

use super::{
    locks,
    mutation::MutationRoot,
    object,
    query::{self, QueryRoot},
    subscription::SubscriptionRoot,
    verification,
};
use crate::ledger::Clock;

/// The builder of the ledger's schema. It needs a [`Feed`](super::Feed) as data, and the extension that makes each operation a unit of
/// work.
#[must_use]
pub fn schema(clock: Clock) -> LedgerSchemaBuilder {
    builder()
        .data(clock)
        .data(locks::Contended::default())
        .data(verification::Slot::default())
}

/// The ledger's schema, ready to execute.
pub type LedgerSchema = Schema<QueryRoot, MutationRoot, SubscriptionRoot>;

/// What [`schema`] builds.
pub type LedgerSchemaBuilder = SchemaBuilder<QueryRoot, MutationRoot, SubscriptionRoot>;
/// The schema in the schema definition language. It is sorted, so that a diff shows only what changed.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .use_space_ident()
        .indent_width(2)
        .include_specified_by();
    builder().finish().sdl_with_options(options)
}

fn builder() -> LedgerSchemaBuilder {
    Schema::build(
        QueryRoot::default(),
        MutationRoot::default(),
        SubscriptionRoot,
    )
    .override_output_type_description::<object::AccountConnection>("A page of accounts.")
    .override_output_type_description::<query::EntryConnection>("A page of entries.")
    .override_output_type_description::<object::AccountGroupConnection>("A page of groups.")
    .override_output_type_description::<object::AccountGroupChangeConnection>("A page of changes.")
    .override_output_type_description::<object::ClosingConnection>("A page of closings.")
    .override_output_type_description::<object::AccountChangeConnection>("A page of changes.")
    .override_output_type_description::<object::StatementLineConnection>("A page of a statement.")
}
