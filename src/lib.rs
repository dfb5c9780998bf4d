//! Daybook: a double-entry ledger server with a GraphQL API in which every operation is one unit of work.

pub mod http;
