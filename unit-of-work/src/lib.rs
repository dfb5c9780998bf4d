#![doc = include_str!("../README.md")]

mod ask;
mod begin;
mod connection;
mod context;
mod database;
mod effects;
mod error;
mod extension;
mod field_savepoints;
pub mod idempotency;
mod loader;
mod located;
mod report;
mod respond;
mod retry;
mod root_fields;
mod savepoint;
mod settings;
mod telemetry;
mod terms;
mod unit;

pub use ask::{DryRun, Isolation, OperationDeadline};
pub use begin::SessionSettings;
pub use context::ContextExt;
pub use database::{Access, Database, DatabaseOptions};
pub use error::{CommitFailure, ConnectError, FailureKind, UnitError, codes};
pub use extension::UnitOfWorkExtension;
pub use idempotency::{IdempotencyKey, IdempotencySettings, Viewer};
pub use loader::UnitLoader;
pub use report::Report;
pub use retry::{RetryPolicy, Retrying};
pub use savepoint::Savepoint;
pub use settings::Settings;
pub use unit::{Reason, UnitOfWork};
