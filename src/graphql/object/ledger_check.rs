//! The result of recomputing the ledger.

use async_graphql::SimpleObject;

use crate::graphql::scalars::Int64;

/// What came of recomputing everything from the lines.
#[derive(SimpleObject)]
pub struct LedgerCheck {
    /// Whether nothing differs.
    pub(in crate::graphql) ok: bool,
    /// How many accounts were recomputed.
    pub(in crate::graphql) accounts: Int64,
    /// How many entries were looked at.
    pub(in crate::graphql) entries: Int64,
    /// How many lines were summed up.
    pub(in crate::graphql) lines: Int64,
    /// Each thing that is not as it must be; at most the first hundred.
    pub(in crate::graphql) differences: Vec<LedgerDifference>,
}

/// One thing that is not as it must be.
#[derive(SimpleObject)]
pub struct LedgerDifference {
    /// What differs, for people.
    pub(in crate::graphql) message: String,
}
