//! An account.

use async_graphql::{Context, Enum, Error, ID, Object, Result};
use daybook_entity::account;

use super::{
    AccountChange, AccountChangeConnection, AccountChangeTotal, Balances, Ledger, Money,
    StatementLineConnection,
    account_group::AccountGroupPlace,
    global_id,
    statement::{self, StatementFilter, StatementOrderField},
};
use crate::{
    graphql::{
        connection::connection,
        count_items::count_items,
        input::PointInTime,
        loaders::{self, ClosedUntil, GroupsOfAccounts, History},
        order::OrderDirection,
        refusal::refuse,
        scalars::{CurrencyCode, DateTime, Int64, Json},
        time::Days,
    },
    ledger::{self, Id},
};

/// The side of a line; the side on which an account's balance counts as positive.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::Side")]
pub enum Side {
    /// Assets and expenses.
    Debit,
    /// Liabilities, equity and income.
    Credit,
}

/// What an account is in reports. It says nothing about the side on which its balance counts as positive: a contra account, such as an
/// allowance for bad debts (an asset with a credit balance), has the other normal side than most accounts of its class.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::AccountClass")]
pub enum AccountClass {
    /// What is owned: cash, receivables. Most have a debit balance.
    Asset,
    /// What is owed: deposits of customers, payables. Most have a credit balance.
    Liability,
    /// What belongs to the owners: capital, retained earnings. Most have a credit balance.
    Equity,
    /// What is earned: sales, fees. Most have a credit balance.
    Income,
    /// What is spent: wages, rent. Most have a debit balance.
    Expense,
}

/// The limit of 0 that an account's balance has. Pending amounts count as spent. For other limits, see `minBalance` and `maxBalance`.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::LimitPolicy")]
pub enum LimitPolicy {
    /// No limit.
    None,
    /// Debits may not exceed credits: for what normally has a credit balance, such as a customer's deposit.
    NoDebitOverdraft,
    /// Credits may not exceed debits: for what normally has a debit balance, such as cash.
    NoCreditOverdraft,
}

/// Whether entries may touch an account.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::AccountStatus")]
pub enum AccountStatus {
    /// They may.
    Open,
    /// They may not, until it is open again.
    Frozen,
    /// They may not, ever again. Nothing is on it.
    Closed,
}

/// An account of the ledger.
pub struct Account(pub(in crate::graphql) account::Model);

/// An account of the ledger.
#[Object]
impl Account {
    /// `acct_…`
    pub async fn id(&self) -> ID {
        global_id(Id::Account(self.0.id))
    }

    /// The unique name that people and programs call it by.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// The ledger that it is in: the one whose code is the first part of its own; null for the one that has no name.
    async fn ledger(&self, ctx: &Context<'_>) -> Result<Option<Ledger>> {
        Ledger::of(ctx, self.0.ledger.as_deref()).await
    }

    /// A text for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The currency of every amount on it.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The side on which its balance counts as positive.
    async fn normal_side(&self) -> Side {
        self.0.normal_side.into()
    }

    /// What it is in reports; null if it is not classified.
    async fn class(&self) -> Option<AccountClass> {
        self.0.class.map(Into::into)
    }

    /// Its limit of 0, if it has one.
    async fn limit_policy(&self) -> LimitPolicy {
        self.0.limit_policy.into()
    }

    /// The least balance that it may have; null if it may have any. What holds would lower the balance by counts at once.
    async fn min_balance(&self) -> Option<Money> {
        Some(Money::of(&self.0, self.0.min_balance?))
    }

    /// The largest balance that it may have; null if it may have any. What holds would raise the balance by counts at once.
    async fn max_balance(&self) -> Option<Money> {
        Some(Money::of(&self.0, self.0.max_balance?))
    }

    /// Whether entries may touch it.
    async fn status(&self) -> AccountStatus {
        self.0.status.into()
    }

    /// A JSON object of your own.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }

    /// How many times it was described: 1 since its opening, one more since each change of its name, class, limits, status or metadata.
    /// Entries do not change it.
    async fn revision(&self) -> Int64 {
        Int64(self.0.revision)
    }

    /// Its opening, and each change of its name, class, limits, status and metadata: newest first, a page at a time.
    async fn changes(
        &self,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
    ) -> Result<AccountChangeConnection> {
        let page = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let page = ledger::page_account_changes(&self.0, &page).map_err(refuse)?;
        Ok(connection(
            page,
            AccountChangeTotal(self.0.revision),
            AccountChange,
        ))
    }

    /// Nothing is posted to it any more that counts from before this instant; null if nothing is closed. See `closedPeriods`.
    async fn closed_until(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let until = loaders::load::<ClosedUntil, _>(ctx, self.0.id).await?;
        Ok(until.map(DateTime))
    }

    /// The groups that it is in, one of each tree at the most, by path.
    async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<AccountGroupPlace>> {
        let places = loaders::load::<GroupsOfAccounts, _>(ctx, self.0.id).await?;
        let places = places.unwrap_or_default();
        count_items(ctx, places.len())?;
        Ok(places.into_iter().map(Into::into).collect())
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Its balances, of all that is posted, also of entries that are dated in the future; or at a point in time.
    async fn balances(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "When. By default with all that is posted, whatever it is dated: `{ asOf: NOW }` leaves out what is dated in the future."
        )]
        at: Option<PointInTime>,
        #[graphql(
            desc = "Whose day it is, if `at` has a date, by its name in the IANA database, such as `Europe/Berlin`; UTC by default."
        )]
        time_zone: Option<String>,
    ) -> Result<Balances> {
        let Some(at) = at else {
            Days::of("timeZone", time_zone.as_deref())?.finish("a date in `at`")?;
            return Ok(Balances::of_all_entries(&self.0));
        };
        let point = at.parse(ctx, time_zone.as_deref())?;
        let point = point.check(&self.0).map_err(refuse)?;
        let balances = loaders::load::<History, _>(ctx, (self.0.id, point)).await?;
        let balances = balances.ok_or_else(|| Error::new("an account has no history"))?;
        Ok(Balances::then(&self.0, &balances))
    }

    /// Its lines, with the balance after each in the order of the statement, a page at a time.
    #[expect(
        clippy::too_many_arguments,
        reason = "a connection's four, and three more"
    )]
    async fn statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<StatementFilter>,
        #[graphql(
            desc = "In which order: of posting, or of the instants that lines count from. A cursor belongs to one of them.",
            default
        )]
        order_by: StatementOrderField,
        #[graphql(desc = "Oldest first, or newest first.", default)] direction: OrderDirection,
    ) -> Result<StatementLineConnection> {
        let page = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let filter = filter
            .map(StatementFilter::parse)
            .transpose()?
            .unwrap_or_default();
        let newest_first = direction == OrderDirection::Desc;
        match order_by {
            StatementOrderField::RecordedAt => {
                statement::recorded(ctx, &self.0, &page, filter, newest_first).await
            }
            StatementOrderField::EffectiveAt => {
                statement::effective(ctx, &self.0, &page, filter, newest_first).await
            }
        }
    }
}
