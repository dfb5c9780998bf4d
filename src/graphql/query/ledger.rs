//! The ledger as a whole.

use async_graphql::{Context, Object, Result};
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        count_items::count_items,
        object::{Currency, LedgerCheck},
        verification,
    },
    ledger,
};

/// How many differences a check reports.
const MOST_DIFFERENCES: usize = 100;

#[derive(Default)]
pub struct LedgerQuery;

#[Object]
impl LedgerQuery {
    /// The currencies that accounts can have, by code.
    async fn currencies(&self, ctx: &Context<'_>) -> Result<Vec<Currency>> {
        let currencies = ledger::currencies(ctx.unit()).await?;
        count_items(ctx, currencies.len())?;
        Ok(currencies.into_iter().map(Currency).collect())
    }

    /// Recomputes every balance from the lines, and lists what is wrong.
    async fn verify_ledger(&self, ctx: &Context<'_>) -> Result<LedgerCheck> {
        let _slot = verification::begin(ctx)?;
        Ok(ledger::verify(ctx.unit(), MOST_DIFFERENCES).await?.into())
    }
}
