//! Groups of accounts.

use async_graphql::{Context, Error, ID, Object, Result, SimpleObject};
use daybook_entity::account_group;
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::{
    Account,
    accounts::{AccountConnection, AccountTotal},
    global_id,
};
use crate::{
    graphql::{
        connection::{AccountGroupConnectionName, AccountGroupEdgeName, ConnectionOf, connection},
        count_items::count_items,
        loaders::{self, AccountGroups, AccountGroupsByPath, CodePrefixes, Subgroups},
        refusal::refuse,
        scalars::Int64,
    },
    ledger::{self, GroupRef, Id, InGroup},
};

/// A page of groups.
pub type AccountGroupConnection =
    ConnectionOf<AccountGroup, AccountGroupTotal, AccountGroupConnectionName, AccountGroupEdgeName>;

/// Counts the groups, only if `totalCount` is selected.
pub struct AccountGroupTotal(pub(in crate::graphql) Option<String>);

#[Object]
impl AccountGroupTotal {
    /// How many groups there are, over all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ledger::count_account_groups(ctx.unit(), self.0.as_deref())
            .await
            .map_err(refuse)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A group of accounts, for reports by another breakdown than codes. It is in a tree, in which an account is in one group at the most. A
/// group without a parent is a tree.
pub struct AccountGroup(pub(in crate::graphql) account_group::Model);

/// A group of accounts, for reports by another breakdown than codes. It is in a tree, in which an account is in one group at the most. A
/// group without a parent is a tree.
#[Object]
impl AccountGroup {
    /// `group_…`
    pub async fn id(&self) -> ID {
        global_id(Id::Group(self.0.id))
    }

    /// The unique name that people and programs call it by: the path of its parent, a colon, and its own part. A tree has one part.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// A text for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How many levels below its tree it is; 0 for a tree.
    async fn depth(&self) -> i32 {
        i32::try_from(self.0.path.matches(':').count()).unwrap_or(i32::MAX)
    }

    /// How many times it was changed: 1 since its creation, one more since each change of its path or its name. What is put into it or taken
    /// out does not change it.
    async fn revision(&self) -> Int64 {
        Int64(self.0.revision)
    }

    /// The tree that it is in; itself, if it is a tree.
    async fn tree(&self, ctx: &Context<'_>) -> Result<AccountGroup> {
        let tree = loaders::load::<AccountGroups, _>(ctx, self.0.tree_id).await?;
        // Cannot happen: a group's tree is above it, which a foreign key keeps.
        let tree = tree.ok_or_else(|| Error::new("the tree of a group is missing"))?;
        Ok(Self(tree))
    }

    /// The group that it is in; null for a tree.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<AccountGroup>> {
        let Some(path) = self.0.parent_path.clone() else {
            return Ok(None);
        };
        Ok(loaders::load::<AccountGroupsByPath, _>(ctx, path)
            .await?
            .map(Self))
    }

    /// The groups directly in it, by path.
    async fn children(&self, ctx: &Context<'_>) -> Result<Vec<AccountGroup>> {
        let children = loaders::load::<Subgroups, _>(ctx, self.0.path.clone()).await?;
        let children = children.unwrap_or_default();
        count_items(ctx, children.len())?;
        Ok(children.into_iter().map(Self).collect())
    }

    /// Accounts whose codes begin with one of these are in it, also those that are opened later; of several prefixes in a tree, the longest
    /// counts, and what was put into a group by hand goes before it.
    async fn code_prefixes(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let prefixes = loaders::load::<CodePrefixes, _>(ctx, self.0.id).await?;
        let prefixes = prefixes.unwrap_or_default();
        count_items(ctx, prefixes.len())?;
        Ok(prefixes)
    }

    /// The accounts in it, by hand or by a prefix of their codes, by code, a page at a time. It takes a statement for each group: for those of
    /// many groups, ask for `accounts(filter: { group })` with `groups`.
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(
            desc = "Whether the accounts of the groups below it are here, too.",
            default = false
        )]
        subgroups: bool,
    ) -> Result<AccountConnection> {
        let filter = ledger::AccountFilter {
            group: Some(InGroup {
                group: GroupRef::Id(self.0.id),
                subgroups,
            }),
            ..ledger::AccountFilter::default()
        };
        let request = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let order = ledger::AccountOrder::default();
        let page = ledger::page_accounts(ctx.unit(), &filter, order, &request)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(connection(page, AccountTotal(filter), Account))
    }
}

/// A group that an account is in, and why it is there.
#[derive(SimpleObject)]
pub struct AccountGroupPlace {
    /// The group.
    group: AccountGroup,
    /// The prefix of its code by which the account is there; null if it was put there by hand.
    code_prefix: Option<String>,
}

impl From<ledger::GroupPlace> for AccountGroupPlace {
    fn from(place: ledger::GroupPlace) -> Self {
        Self {
            group: AccountGroup(place.group),
            code_prefix: place.code_prefix,
        }
    }
}
