#![doc = include_str!("../README.md")]

mod connection;
mod context;
mod database;
mod effects;
mod error;
mod extension;
mod field_savepoints;
mod loader;
mod located;
mod report;
mod respond;
mod savepoint;
mod settings;
mod subscription;
mod telemetry;
mod unit;

pub use context::ContextExt;
pub use database::{Access, Database, DatabaseOptions};
pub use error::{CommitFailure, ConnectError, FailureKind, UnitError, codes};
pub use extension::UnitOfWorkExtension;
pub use loader::UnitLoader;
pub use report::Report;
pub use savepoint::Savepoint;
pub use settings::Settings;
pub use unit::{Reason, UnitOfWork};
