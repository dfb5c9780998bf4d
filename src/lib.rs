//! Daybook: a double-entry ledger server with a GraphQL API in which every operation is one unit of work.

pub mod app;
pub mod config;
pub mod http;
pub mod serve;
pub mod signals;
pub mod startup;
pub mod telemetry;
