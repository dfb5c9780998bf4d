//! The ledger as a whole.

use async_graphql::{Context, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        connection::connection,
        count_items::count_items,
        loaders::{self, Ledgers},
        object::{
            Closing, ClosingConnection, ClosingTotal, Currency, Ledger, LedgerCheck, Receipt,
        },
        refusal::refuse,
        scalars::Int64,
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

    /// The ledgers beside the one that has no name, by code: those that the caller's token is for.
    async fn ledgers(&self, ctx: &Context<'_>) -> Result<Vec<Ledger>> {
        let ledgers = ledger::ledgers(ctx.unit()).await?;
        count_items(ctx, ledgers.len())?;
        Ok(ledgers.into_iter().map(Ledger).collect())
    }

    /// The ledger with this code; null if there is none, or the caller's token is not for it.
    async fn ledger(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its code.")] code: String,
    ) -> Result<Option<Ledger>> {
        let ledger = loaders::load::<Ledgers, _>(ctx, code).await?;
        Ok(ledger.map(Ledger))
    }

    /// What is closed now, by prefix: the last closing of each. Nothing is posted that counts from before `closedUntil`.
    async fn closed_periods(&self, ctx: &Context<'_>) -> Result<Vec<Closing>> {
        let closed = ledger::closed_periods(ctx.unit()).await?;
        count_items(ctx, closed.len())?;
        Ok(closed.into_iter().map(Closing).collect())
    }

    /// When the books were closed and reopened, and by whom: newest first, a page at a time.
    async fn closings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
    ) -> Result<ClosingConnection> {
        let page = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let page = ledger::page_closings(ctx.unit(), &page)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(connection(page, ClosingTotal, Closing))
    }

    /// The receipt of an event, by its number: to be compared with one that was kept. Null if there is no such event, or if it is not sealed.
    async fn receipt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of the event.")] number: Int64,
    ) -> Result<Option<Receipt>> {
        let mut found = ledger::receipts(ctx.unit(), &[number.0]).await?;
        Ok(found.remove(&number.0).map(Into::into))
    }

    /// The receipt of the last event that is sealed: it vouches for all events up to it. Null if nothing is sealed.
    async fn latest_receipt(&self, ctx: &Context<'_>) -> Result<Option<Receipt>> {
        let latest = ledger::latest_receipt(ctx.unit()).await?;
        Ok(latest.map(Into::into))
    }

    /// Recomputes every balance from the lines, and lists what is wrong.
    async fn verify_ledger(&self, ctx: &Context<'_>) -> Result<LedgerCheck> {
        let _slot = verification::begin(ctx)?;
        Ok(ledger::verify(ctx.unit(), MOST_DIFFERENCES).await?.into())
    }
}
