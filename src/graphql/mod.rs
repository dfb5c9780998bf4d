//! The GraphQL schema: translates between clients and the ledger.
//!
//! A resolver parses its input, makes one call to the ledger with the operation's unit of work, and wraps the result. None
//! begins, commits or rolls back: the unit's extension does, for every operation alike.
//!
//! A field that can fail and whose type can be null is null when it fails, and no more: `answers` sees to that.

mod answer;
mod answers;
mod connection;
mod context;
mod error;
mod feed;
mod input;
mod loaders;
mod locks;
mod mutation;
mod object;
mod operations;
mod query;
mod scalars;
mod subscription;
mod verification;

use async_graphql::{SDLExportOptions, Schema, SchemaBuilder};

use crate::ledger::Clock;

pub use answers::answer_rule;
pub use feed::{Feed, FeedOptions, WatchError, Watcher};
pub use mutation::MutationRoot;
pub use operations::{operation_schema, operations};
pub use query::QueryRoot;
pub use subscription::SubscriptionRoot;
pub use verification::{VERIFY, grant};

/// The ledger's schema, to be finished with a [`Feed`] as data, and with extensions: above all, the one that makes each operation a unit
/// of work.
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

/// The schema in the schema definition language, sorted, so that a change shows where it is.
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
    .override_output_type_description::<query::AccountConnection>("A page of accounts.")
    .override_output_type_description::<query::EntryConnection>("A page of entries.")
    .override_output_type_description::<object::StatementLineConnection>("A page of a statement.")
}
