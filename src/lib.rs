//! Daybook: a double-entry ledger server with a GraphQL API in which every operation is one unit of work.

pub mod config;
pub mod database;
pub mod exchange;
pub mod files;
pub mod graphql;
pub mod http;
pub mod jobs;
pub mod ledger;
mod outgoing;
pub mod schema_check;
pub mod serve;
pub mod signals;
pub mod startup;
pub mod telemetry;
pub mod traces;

pub use jobs::expiry;
