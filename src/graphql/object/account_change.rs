//! A change of what describes an account.

use async_graphql::{Context, Error, Object, Result};
use daybook_entity::{account, account_change};
use uuid::Uuid;

use super::{Account, AccountClass, AccountStatus, LimitPolicy, Money};
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
pub struct AccountDescription(account_change::Model);

/// What describes an account.
#[Object]
impl AccountDescription {
    /// A text for people.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is in reports; null if it is not classified.
    async fn class(&self) -> Option<AccountClass> {
        self.0.class.map(Into::into)
    }

    /// Its limit of 0, if it has one.
    async fn limit_policy(&self) -> LimitPolicy {
        self.0.limit_policy.into()
    }

    /// The least balance that it may have; null if it may have any.
    async fn min_balance(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        self.money(ctx, self.0.min_balance).await
    }

    /// The largest balance that it may have; null if it may have any.
    async fn max_balance(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        self.money(ctx, self.0.max_balance).await
    }

    /// Whether entries may touch it.
    async fn status(&self) -> AccountStatus {
        self.0.status.into()
    }

    /// A JSON object of your own.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }
}

impl AccountDescription {
    /// An amount in the account's currency, which its history does not repeat.
    async fn money(&self, ctx: &Context<'_>, minor_units: Option<i64>) -> Result<Option<Money>> {
        let Some(minor_units) = minor_units else {
            return Ok(None);
        };
        let account = account(ctx, self.0.account_id).await?;
        Ok(Some(Money::of(&account, minor_units)))
    }
}

async fn account(ctx: &Context<'_>, id: Uuid) -> Result<account::Model> {
    let account = loaders::load::<Accounts, _>(ctx, id).await?;
    // Cannot happen: a foreign key keeps the account from being deleted.
    account.ok_or_else(|| Error::new("the account of a change is missing"))
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
        Ok(Account(account(ctx, self.0.0).await?))
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
        let before = AccountChange((id, revision - 1)).row(ctx).await?;
        Ok(Some(AccountDescription(before)))
    }

    /// What it became.
    async fn after(&self, ctx: &Context<'_>) -> Result<AccountDescription> {
        Ok(AccountDescription(self.row(ctx).await?))
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
