//! Queries, one noun per file.

mod account;
mod entry;
mod ledger;
mod node;
mod report;

use async_graphql::MergedObject;

pub use account::AccountConnection;
pub use entry::EntryConnection;

/// Queries. Every query reads one snapshot.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct QueryRoot(
    node::NodeQuery,
    account::AccountQuery,
    entry::EntryQuery,
    ledger::LedgerQuery,
    report::ReportQuery,
);
