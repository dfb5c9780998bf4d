//! Queries, one noun per file.

mod account;
mod account_group;
mod entry;
mod ledger;
mod node;
mod report;
mod webhook;

use async_graphql::MergedObject;

pub use entry::EntryConnection;

/// Queries. Every query reads one snapshot.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct QueryRoot(
    node::NodeQuery,
    account::AccountQuery,
    account_group::AccountGroupQuery,
    entry::EntryQuery,
    ledger::LedgerQuery,
    report::ReportQuery,
    webhook::WebhookQuery,
);
