//! Pages of accounts.

use async_graphql::{Context, Object, Result};
use unit_of_work::ContextExt as _;

use super::Account;
use crate::{
    graphql::{
        connection::{AccountConnectionName, AccountEdgeName, ConnectionOf},
        refusal::refuse,
    },
    ledger,
};

/// A page of accounts.
pub type AccountConnection =
    ConnectionOf<Account, AccountTotal, AccountConnectionName, AccountEdgeName>;

/// Counts the accounts, only if `totalCount` is selected.
pub struct AccountTotal(pub(in crate::graphql) ledger::AccountFilter);

#[Object]
impl AccountTotal {
    /// How many accounts the filter lets through, over all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ledger::count_accounts(ctx.unit(), &self.0)
            .await
            .map_err(refuse)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}
