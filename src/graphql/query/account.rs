//! Accounts.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::{ContextExt as _, UnitOfWork};

use crate::{
    graphql::{
        connection::connection,
        input::{AccountGroupRef, AccountRef, AmountRange, MetadataFilter},
        loaders::{AccountByCode, Accounts},
        object::{Account, AccountClass, AccountConnection, AccountStatus, AccountTotal},
        order::OrderDirection,
        refusal::{bad_input, refuse},
        scalars::CurrencyCode,
    },
    ledger::{self, InGroup},
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
    /// In this group, by hand or by a prefix of their codes. Of a group that there is not, `GROUP_NOT_FOUND`.
    pub group: Option<AccountGroupRef>,
    /// Whether the accounts of the groups below `group` count, too; true by default. It needs `group`.
    pub subgroups: Option<bool>,
    /// In no group of this tree, which is named by its path.
    pub ungrouped_in: Option<String>,
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
        let filter = AccountFilter::parse(filter)?;
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

async fn find(unit: &UnitOfWork, by: AccountRef) -> Result<Option<Account>> {
    let account = match by.parse().normalised() {
        Some(ledger::AccountRef::Id(id)) => unit.look_up::<Accounts>(id).boxed().await?,
        Some(ledger::AccountRef::Code(code)) => unit.look_up::<AccountByCode>(code).boxed().await?,
        Some(ledger::AccountRef::NoId(_)) | None => None,
    };
    Ok(account.map(Account))
}

impl AccountFilter {
    pub(super) fn parse(filter: Option<Self>) -> Result<ledger::AccountFilter> {
        let filter = filter.unwrap_or_default();
        let group = match (filter.group, filter.subgroups) {
            (None, None) => None,
            (None, Some(_)) => return Err(bad_input("filter.subgroups", "it needs `group`")),
            (Some(group), subgroups) => Some(InGroup {
                group: group.parse(),
                subgroups: subgroups.unwrap_or(true),
            }),
        };
        Ok(ledger::AccountFilter {
            group,
            ungrouped_in: filter.ungrouped_in,
            currency: filter.currency.map(|currency| currency.0),
            status: filter.status.map(Into::into),
            class: filter.class.map(Into::into),
            code_prefix: filter.code_prefix,
            metadata: MetadataFilter::pairs(filter.metadata),
            balance: filter.balance.map(Into::into),
        })
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
