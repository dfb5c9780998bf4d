#![doc = include_str!("../README.md")]
//!
//! # Guides
//!
//! [Effects and the outbox](guide::effects), [row-level security](guide::row_level_security), [jobs and commands](guide::jobs), [testing your
//! own server](guide::testing), [moving from hand-written transactions](guide::moving).
//!
//! # Layout
//!
//! For those who change the crate: read `unit` first, then `operation`. There are two ways in: an operation
//! ([`UnitOfWorkExtension`]), and [`Database::read`] and [`Database::write`].
//!
//! | question | module |
//! |---|---|
//! | what is a unit, when does it begin, how does it end, what is it told? | `unit`: `fate` has every precedence |
//! | how do mutations share a COMMIT? | `unit::group` |
//! | what happens around the resolvers of one operation, and what is the client told? | `operation` |
//! | when is an operation run again? | `retry` |
//! | does a server have what a client has written, or seen? | `consistency` |
//! | which connections are there, and what do the engines do differently? | `database`, `database::engine` |
//! | how is a mutation answered again, and not done again? | [`idempotency`] |
//! | how do events reach subscribers? | `subscription` |
//! | what is told in spans, metrics and timelines? | `observe` |
//! | how does a REST handler get a unit? | `web` (feature `axum`) |
//!
//! What never goes here: how GraphQL travels over HTTP, and anything that one application alone decides.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "idempotency", feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "what only a feature uses that is left out")
)]

#[cfg(all(feature = "async-graphql-7", feature = "async-graphql-8"))]
compile_error!(
    "unit-of-work is for one version of async-graphql: with the feature `async-graphql-7`, say `default-features = false`, and see that no \
     other dependency asks for `async-graphql-8`"
);
#[cfg(not(any(feature = "async-graphql-7", feature = "async-graphql-8")))]
compile_error!("unit-of-work needs one of the features `async-graphql-7` and `async-graphql-8`");

#[cfg(all(feature = "async-graphql-7", not(feature = "async-graphql-8")))]
extern crate async_graphql_7 as async_graphql;

mod consistency;
mod database;
mod error;
#[cfg(feature = "mariadb")]
pub mod galera;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod idempotency;
mod look_up;
mod observe;
mod operation;
mod retry;
mod setters;
mod subscription;
mod unit;
#[cfg(feature = "axum")]
pub mod web;

pub use consistency::{ConsistencyToken, InvalidConsistencyToken};
pub use database::begin::SessionSettings;
pub use database::checkpoint::Checkpoint;
pub use database::{Access, Database, DatabaseOptions, DriverOptions, NewConnection};
pub use error::{CommitFailure, ConnectError, FailureKind, UnitError, codes, violated_constraint};
#[cfg(feature = "idempotency")]
pub use idempotency::IdempotencySettings;
pub use idempotency::{IdempotencyKey, Viewer};
pub use look_up::SharedLookUp;
pub use operation::ask::{DryRun, Isolation, MaxStaleness, OperationDeadline};
pub use operation::context::ContextExt;
pub use operation::extension::UnitOfWorkExtension;
pub use operation::field_rule::{FieldRule, ResolvedField};
pub use operation::loader::UnitLoader;
pub use operation::mask::{ResolverError, Shown};
pub use operation::report::Report;
pub use operation::settings::Settings;
pub use retry::batch::AllOrNothing;
pub use retry::{RetryPolicy, Retrying};
pub use subscription::redelivery::{redeliver, redeliver_shared};
pub use subscription::sharing::{Audience, SharedEvents, Streamed};
pub use subscription::undelivered::Undelivered;
pub use unit::UnitOfWork;
pub use unit::marker;
pub use unit::outside::UnitTerms;
pub use unit::savepoint::Savepoint;
