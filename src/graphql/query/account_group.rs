//! Groups of accounts.

use async_graphql::{Context, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        connection::connection,
        count_items::count_items,
        input::{AccountGroupRef, AccountRef},
        object::{
            AccountGroup, AccountGroupChange, AccountGroupChangeConnection,
            AccountGroupChangeTotal, AccountGroupConnection, AccountGroupTotal,
        },
        refusal::refuse,
    },
    ledger::{self, GroupChangeFilter},
};

#[derive(Default)]
pub struct AccountGroupQuery;

#[Object]
impl AccountGroupQuery {
    /// One group of accounts; null if there is none.
    async fn account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id or its path.")] by: AccountGroupRef,
    ) -> Result<Option<AccountGroup>> {
        let group = ledger::account_group(ctx.unit(), &by.parse())
            .boxed()
            .await?;
        Ok(group.map(AccountGroup))
    }

    /// The trees of groups, by path.
    async fn account_trees(&self, ctx: &Context<'_>) -> Result<Vec<AccountGroup>> {
        let trees = ledger::account_trees(ctx.unit()).boxed().await?;
        count_items(ctx, trees.len())?;
        Ok(trees.into_iter().map(AccountGroup).collect())
    }

    /// Groups of accounts by path, a page at a time.
    async fn account_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(
            desc = "Of this tree, by its path; the tree itself is among them. All trees by default."
        )]
        tree: Option<String>,
    ) -> Result<AccountGroupConnection> {
        let request = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let page = ledger::page_account_groups(ctx.unit(), tree.as_deref(), &request)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(connection(page, AccountGroupTotal(tree), AccountGroup))
    }

    /// How groups and what is in them were changed, and by whom: newest first, a page at a time.
    #[expect(
        clippy::too_many_arguments,
        reason = "a connection's four, and two more"
    )]
    async fn account_group_changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Of this tree, by its path; all by default.")] tree: Option<String>,
        #[graphql(
            desc = "Of the groups that this account was put into by hand, or taken out of; all changes by default."
        )]
        account: Option<AccountRef>,
    ) -> Result<AccountGroupChangeConnection> {
        let filter = GroupChangeFilter {
            tree,
            account: account.map(AccountRef::parse),
        };
        let request = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let page = ledger::page_group_changes(ctx.unit(), &filter, &request)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(connection(
            page,
            AccountGroupChangeTotal(filter),
            AccountGroupChange,
        ))
    }
}
