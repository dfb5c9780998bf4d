//! Daybook: a double-entry ledger server with a GraphQL API in which every operation is one unit of work.

pub mod command;
pub mod config;
pub mod database;
pub mod error;
pub mod exchange;
pub mod graphql;
pub mod http;
mod http_client;
pub mod jobs;
pub mod ledger;
pub mod observe;
pub mod signals;
pub mod webhook;

pub use jobs::expiry;
