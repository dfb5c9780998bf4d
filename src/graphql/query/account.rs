//! Accounts.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::{ContextExt as _, UnitOfWork};

use crate::{
    graphql::{
        connection::{AccountConnectionName, AccountEdgeName, ConnectionOf, connection},
        input::{AccountRef, AmountRange, MetadataFilter},
        loaders::{AccountByCode, Accounts},
        object::{Account, AccountClass, AccountStatus},
        order::OrderDirection,
        refusal::refuse,
        scalars::CurrencyCode,
    },
    ledger,
};

/// Chooses accounts.
#[derive(InputObject, Clone, Debug, Default)]
pub struct AccountFilter {
    /// Of this currency.
    pub currency: Option<CurrencyCode>,
    /// Of this status.
    pub status: Option<AccountStatus>,
    /// Of this class. Accounts that are not classified are of none.
    pub class: Option<AccountClass>,
    /// Whose code begins like this.
    pub code_prefix: Option<String>,
    /// With all of these pairs in the metadata; at most 8.
    pub metadata: Option<Vec<MetadataFilter>>,
    /// In this currency, with such a posted balance, positive on the normal side. All accounts that the rest lets through are looked at.
    pub balance: Option<AmountRange>,
}

/// The order of a list.
#[derive(InputObject, Clone, Debug)]
pub struct AccountOrder {
    /// What to order by.
    pub field: AccountOrderField,
    /// The direction.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// What accounts can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountOrderField {
    /// The code.
    Code,
    /// The time of opening.
    CreatedAt,
}

/// A page of accounts.
pub type AccountConnection =
    ConnectionOf<Account, AccountTotal, AccountConnectionName, AccountEdgeName>;

#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// One account; null if there is none.
    async fn account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id or its code.")] by: AccountRef,
    ) -> Result<Option<Account>> {
        find(ctx.unit(), by).await
    }

    /// Accounts, a page at a time.
    #[expect(
        clippy::too_many_arguments,
        reason = "a connection's four, and two more"
    )]
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<AccountFilter>,
        #[graphql(desc = "The order; by code by default.")] order_by: Option<AccountOrder>,
    ) -> Result<AccountConnection> {
        let filter = filter.map(ledger::AccountFilter::from).unwrap_or_default();
        let order = order_by.map(ledger::AccountOrder::from).unwrap_or_default();
        let page = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let page = ledger::page_accounts(ctx.unit(), &filter, order, &page)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(connection(page, AccountTotal(filter), Account))
    }
}

/// Counts the accounts, only if `totalCount` is selected.
pub struct AccountTotal(ledger::AccountFilter);

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

async fn find(unit: &UnitOfWork, by: AccountRef) -> Result<Option<Account>> {
    let account = match by.parse().normalised() {
        Some(ledger::AccountRef::Id(id)) => unit.look_up::<Accounts>(id).boxed().await?,
        Some(ledger::AccountRef::Code(code)) => unit.look_up::<AccountByCode>(code).boxed().await?,
        Some(ledger::AccountRef::NoId(_)) | None => None,
    };
    Ok(account.map(Account))
}

impl From<AccountFilter> for ledger::AccountFilter {
    fn from(filter: AccountFilter) -> Self {
        Self {
            currency: filter.currency.map(|currency| currency.0),
            status: filter.status.map(Into::into),
            class: filter.class.map(Into::into),
            code_prefix: filter.code_prefix,
            metadata: MetadataFilter::pairs(filter.metadata),
            balance: filter.balance.map(Into::into),
        }
    }
}

impl From<AccountOrder> for ledger::AccountOrder {
    fn from(order: AccountOrder) -> Self {
        Self {
            field: match order.field {
                AccountOrderField::Code => ledger::AccountOrderField::Code,
                AccountOrderField::CreatedAt => ledger::AccountOrderField::CreatedAt,
            },
            descending: order.direction == OrderDirection::Desc,
        }
    }
}
