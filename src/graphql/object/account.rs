//! An account.

use async_graphql::{Enum, ID, Object};
use daybook_entity::account;

use super::{Balances, global_id};
use crate::{
    graphql::scalars::{CurrencyCode, DateTime, Json},
    ledger::Id,
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

/// What an account may not do. Pending amounts count as spent.
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

/// Where money is.
pub struct Account(pub(in crate::graphql) account::Model);

/// Where money is.
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

    /// What people read.
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

    /// What it may not do.
    async fn limit_policy(&self) -> LimitPolicy {
        self.0.limit_policy.into()
    }

    /// Whether entries may touch it.
    async fn status(&self) -> AccountStatus {
        self.0.status.into()
    }

    /// A JSON object of your own.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// What is on it.
    async fn balances(&self) -> Balances {
        Balances(self.0.clone())
    }
}
