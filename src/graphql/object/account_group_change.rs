//! The history of groups of accounts.

use async_graphql::{Context, Error, Object, Result};
use daybook_entity::group_change;
use unit_of_work::ContextExt as _;

use super::{Account, AccountGroup};
use crate::{
    graphql::{
        connection::{AccountGroupChangeConnectionName, AccountGroupChangeEdgeName, ConnectionOf},
        loaders::{self, AccountGroups, Accounts},
        refusal::refuse,
        scalars::DateTime,
    },
    ledger,
};

/// A page of changes.
pub type AccountGroupChangeConnection = ConnectionOf<
    AccountGroupChange,
    AccountGroupChangeTotal,
    AccountGroupChangeConnectionName,
    AccountGroupChangeEdgeName,
>;

/// Counts the changes, only if `totalCount` is selected.
pub struct AccountGroupChangeTotal(pub(in crate::graphql) ledger::GroupChangeFilter);

#[Object]
impl AccountGroupChangeTotal {
    /// How many changes there are, over all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ledger::count_group_changes(ctx.unit(), &self.0)
            .await
            .map_err(refuse)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A group was created, changed or deleted; or an account, or a prefix of codes, was put into a group or taken out.
pub struct AccountGroupChange(pub(in crate::graphql) group_change::Model);

/// A group was created, changed or deleted; or an account, or a prefix of codes, was put into a group or taken out.
#[Object]
impl AccountGroupChange {
    /// The group that was changed, that something was put into, or that it was taken out of, as it is now; null if it was deleted since.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<AccountGroup>> {
        let group = loaders::load::<AccountGroups, _>(ctx, self.0.group_id).await?;
        Ok(group.map(AccountGroup))
    }

    /// The account that was put into a group or taken out, if it was an account.
    async fn account(&self, ctx: &Context<'_>) -> Result<Option<Account>> {
        let Some(id) = self.0.account_id else {
            return Ok(None);
        };
        let account = loaders::load::<Accounts, _>(ctx, id).await?;
        // Cannot happen: a foreign key keeps the account from being deleted.
        let account = account.ok_or_else(|| Error::new("the account of a change is missing"))?;
        Ok(Some(Account(account)))
    }

    /// The prefix of codes that was put into a group or taken out, if it was one.
    async fn code_prefix(&self) -> Option<&str> {
        self.0.code_prefix.as_deref()
    }

    /// The path that the group had, or the path of the group of this tree in which the account or the prefix was. Null if there was none.
    async fn path_before(&self) -> Option<&str> {
        self.0.path_before.as_deref()
    }

    /// The path that the group has since then, or the path of the group in which the account or the prefix is. Null if the group was
    /// deleted, or the rest taken out.
    async fn path_after(&self) -> Option<&str> {
        self.0.path_after.as_deref()
    }

    /// The name that the group had; null if it is not the group itself that was changed, or if it is new.
    async fn name_before(&self) -> Option<&str> {
        self.0.name_before.as_deref()
    }

    /// The name that the group has since then; null if it is not the group itself that was changed, or if it was deleted.
    async fn name_after(&self) -> Option<&str> {
        self.0.name_after.as_deref()
    }

    /// When the ledger learned of it.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.0.recorded_at)
    }

    /// Who did it: the `sub` of the token. Null without authentication.
    async fn recorded_by(&self) -> Option<&str> {
        self.0.recorded_by.as_deref()
    }
}
