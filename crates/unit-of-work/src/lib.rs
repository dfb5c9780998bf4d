#![doc = include_str!("../README.md")]
#![cfg_attr(
    not(all(feature = "idempotency", feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "what only a feature uses that is left out")
)]

mod database;
mod error;
pub mod idempotency;
mod look_up;
mod observe;
mod operation;
mod retry;
mod setters;
mod subscription;
mod unit;

pub use database::begin::SessionSettings;
pub use database::checkpoint::Checkpoint;
pub use database::{Access, Database, DatabaseOptions};
pub use error::{CommitFailure, ConnectError, FailureKind, UnitError, codes};
#[cfg(feature = "idempotency")]
pub use idempotency::IdempotencySettings;
pub use idempotency::{IdempotencyKey, Viewer};
pub use look_up::SharedLookUp;
pub use operation::ask::{DryRun, Isolation, OperationDeadline};
pub use operation::context::ContextExt;
pub use operation::extension::UnitOfWorkExtension;
pub use operation::field_rule::{FieldRule, ResolvedField};
pub use operation::loader::UnitLoader;
pub use operation::mask::{ResolverError, Shown};
pub use operation::report::Report;
pub use operation::settings::Settings;
pub use retry::batch::AllOrNothing;
pub use retry::{RetryPolicy, Retrying};
pub use subscription::redelivery::{Undelivered, redeliver, redeliver_shared};
pub use subscription::sharing::{Audience, SharedEvents, Streamed};
pub use unit::UnitOfWork;
pub use unit::marker;
pub use unit::savepoint::Savepoint;
