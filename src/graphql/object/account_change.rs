//! A change of what describes an account.

use async_graphql::{Context, Error, Object, Result, SimpleObject};
use daybook_entity::account_change;

use super::{Account, AccountClass, AccountStatus, LimitPolicy};
use crate::{
    graphql::{
        connection::{AccountChangeConnectionName, AccountChangeEdgeName, ConnectionOf},
        loaders::{self, AccountChanges, Accounts},
        scalars::{DateTime, Int64, Json},
    },
    ledger::Revision,
};

/// A page of changes.
pub type AccountChangeConnection = ConnectionOf<
    AccountChange,
    AccountChangeTotal,
    AccountChangeConnectionName,
    AccountChangeEdgeName,
>;

/// How many changes an account has. Each has one revision more than the one before it, so nothing is asked for that.
pub struct AccountChangeTotal(pub(in crate::graphql) i64);

#[Object]
impl AccountChangeTotal {
    /// How many changes there are, over all pages; the opening counts.
    async fn total_count(&self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }
}

/// The opening of an account, or a change of what describes it.
pub struct AccountChange(pub(in crate::graphql) Revision);

/// What describes an account.
#[derive(SimpleObject)]
pub struct AccountDescription {
    /// A text for people.
    name: String,
    /// What it is in reports; null if it is not classified.
    class: Option<AccountClass>,
    /// The limit of its balance.
    limit_policy: LimitPolicy,
    /// Whether entries may touch it.
    status: AccountStatus,
    /// A JSON object of your own.
    metadata: Json,
}

impl From<account_change::Model> for AccountDescription {
    fn from(change: account_change::Model) -> Self {
        Self {
            name: change.name,
            class: change.class.map(Into::into),
            limit_policy: change.limit_policy.into(),
            status: change.status.into(),
            metadata: Json(change.metadata),
        }
    }
}

impl AccountChange {
    async fn row(&self, ctx: &Context<'_>) -> Result<account_change::Model> {
        let row = loaders::load::<AccountChanges, _>(ctx, self.0).await?;
        // Cannot happen: the database writes the history, and the history is append-only.
        row.ok_or_else(|| Error::new("a revision of an account is missing"))
    }
}

/// The opening of an account, or a change of what describes it.
#[Object]
impl AccountChange {
    /// The account, as it is now.
    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let account = loaders::load::<Accounts, _>(ctx, self.0.0).await?;
        // Cannot happen: a foreign key keeps the account from being deleted.
        let account = account.ok_or_else(|| Error::new("the account of a change is missing"))?;
        Ok(Account(account))
    }

    /// The account's revision since then: 1 for its opening.
    async fn revision(&self) -> Int64 {
        Int64(self.0.1)
    }

    /// What it was before; null for its opening.
    async fn before(&self, ctx: &Context<'_>) -> Result<Option<AccountDescription>> {
        let (id, revision) = self.0;
        if revision <= 1 {
            return Ok(None);
        }
        Ok(Some(
            AccountChange((id, revision - 1)).row(ctx).await?.into(),
        ))
    }

    /// What it became.
    async fn after(&self, ctx: &Context<'_>) -> Result<AccountDescription> {
        Ok(self.row(ctx).await?.into())
    }

    /// When the ledger learned of it.
    async fn recorded_at(&self, ctx: &Context<'_>) -> Result<DateTime> {
        Ok(DateTime(self.row(ctx).await?.recorded_at))
    }

    /// Who did it: the `sub` of the token. Null without authentication, for an import, and for the opening of an account before
    /// the server kept it.
    async fn recorded_by(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.row(ctx).await?.recorded_by)
    }
}
