//! The GraphQL schema: translates between clients and the ledger.
//!
//! A resolver parses its input, makes one call to the ledger with the operation's unit of work, and wraps the result. It never begins,
//! commits or rolls back: the unit's extension does that for every operation.
//!
//! If a nullable field fails, only that field is null: `graphql_service::RequestErrors::around_units` sees to that.

mod connection;
mod context;
mod count_items;
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
mod refusal;
mod scalars;
mod schema;
mod scopes;
mod subscription;
mod time;
mod verification;
mod webhook_body;

pub use feed::{Feed, FeedOptions, WatchError, Watcher};
pub use mutation::MutationRoot;
pub use operations::{operation_schema, operations};
pub use query::QueryRoot;
pub use schema::{LedgerSchema, LedgerSchemaBuilder, schema, sdl};
pub use scopes::{CLOSE, REOPEN, VERIFY, WEBHOOKS, grant_on};
pub use subscription::SubscriptionRoot;
pub(crate) use webhook_body::{Unreadable, WebhookBodies, WebhookBody};
