//! Daybook: a double-entry ledger server with a GraphQL API in which every operation is one unit of work.

pub mod command;
pub mod config;
pub mod database;
pub mod error;
pub mod exchange;
pub mod graphql;
pub mod http;
pub mod jobs;
pub mod ledger;
pub mod observe;
mod outgoing;
pub mod signals;

pub use jobs::expiry;
