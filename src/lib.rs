//! Daybook: a double-entry ledger server with a GraphQL API in which every operation is one unit of work.

pub mod config;
pub mod database;
pub mod exchange;
pub mod expiry;
pub mod files;
pub mod graphql;
pub mod http;
pub mod ledger;
mod outgoing;
mod renew;
pub mod schema_check;
pub mod serve;
pub mod signals;
pub mod startup;
mod sweep;
pub mod telemetry;
pub mod traces;
mod wake;
