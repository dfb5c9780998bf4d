//! Placeholder.

pub mod http;
pub mod ledger;
