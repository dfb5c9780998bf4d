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
mod order;
mod query;
mod scalars;
mod schema;
mod subscription;
mod verification;

pub use answers::answer_rule;
pub use feed::{Feed, FeedOptions, WatchError, Watcher};
pub use mutation::MutationRoot;
pub use operations::{operation_schema, operations};
pub use query::QueryRoot;
pub use schema::{LedgerSchema, LedgerSchemaBuilder, schema, sdl};
pub use subscription::SubscriptionRoot;
pub use verification::{VERIFY, grant};
