//! An account, with its totals.

use sea_orm::entity::prelude::*;

/// The side of a line; the side on which an account's balance counts as positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Side {
    /// Assets and expenses.
    #[sea_orm(string_value = "DEBIT")]
    Debit,
    /// Liabilities, equity and income.
    #[sea_orm(string_value = "CREDIT")]
    Credit,
}

/// What an account is in reports, whatever its normal side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum AccountClass {
    /// What is owned.
    #[sea_orm(string_value = "ASSET")]
    Asset,
    /// What is owed.
    #[sea_orm(string_value = "LIABILITY")]
    Liability,
    /// What belongs to the owners.
    #[sea_orm(string_value = "EQUITY")]
    Equity,
    /// What is earned.
    #[sea_orm(string_value = "INCOME")]
    Income,
    /// What is spent.
    #[sea_orm(string_value = "EXPENSE")]
    Expense,
}

impl AccountClass {
    /// The normal side of most accounts of the class.
    #[must_use]
    pub const fn usual_side(self) -> Side {
        match self {
            Self::Asset | Self::Expense => Side::Debit,
            Self::Liability | Self::Equity | Self::Income => Side::Credit,
        }
    }
}

/// What an account may not do; pending amounts count as spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum LimitPolicy {
    /// No limit.
    #[sea_orm(string_value = "NONE")]
    None,
    /// Debits may not exceed credits: `debits_posted + debits_pending <= credits_posted`. For accounts that normally have a
    /// credit balance, such as a customer's deposit.
    #[sea_orm(string_value = "NO_DEBIT_OVERDRAFT")]
    NoDebitOverdraft,
    /// Credits may not exceed debits: `credits_posted + credits_pending <= debits_posted`. For accounts that normally have a
    /// debit balance, such as cash.
    #[sea_orm(string_value = "NO_CREDIT_OVERDRAFT")]
    NoCreditOverdraft,
}

/// Whether lines may touch an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum AccountStatus {
    /// They may.
    #[sea_orm(string_value = "OPEN")]
    Open,
    /// They may not, until it is opened again.
    #[sea_orm(string_value = "FROZEN")]
    Frozen,
    /// They may not, for ever. The balance is zero.
    #[sea_orm(string_value = "CLOSED")]
    Closed,
}

/// An account. All amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The unique name that people and programs call it by.
    #[sea_orm(unique)]
    pub code: String,
    /// What people read.
    pub name: String,
    /// The currency of every amount on it.
    pub currency: String,
    /// The side on which its balance counts as positive.
    pub normal_side: Side,
    /// The sum of all lines that debited it.
    pub debits_posted: i64,
    /// What holds would still debit.
    pub debits_pending: i64,
    /// The sum of all lines that credited it.
    pub credits_posted: i64,
    /// What holds would still credit.
    pub credits_pending: i64,
    /// What it may not do.
    pub limit_policy: LimitPolicy,
    /// How many lines have touched it.
    pub version: i64,
    /// Whether lines may touch it.
    pub status: AccountStatus,
    /// A JSON object of the caller's.
    pub metadata: Json,
    /// When it was opened.
    pub created_at: DateTimeUtc,
    /// The latest instant that one of its lines counts from.
    pub latest_effective_at: Option<DateTimeUtc>,
    /// What it is in reports; none if it is not classified.
    pub class: Option<AccountClass>,
    /// How many states of what describes it (name, class, limits, status, metadata) there have been: 1 since its opening, one more since
    /// each change. Lines do not change it.
    pub revision: i64,
    /// When it was last changed; none if never since its opening.
    pub revised_at: Option<DateTimeUtc>,
    /// Who made the last change, or has opened it: the `sub` of a token.
    pub revised_by: Option<String>,
    /// The least balance that it may have, positive on its normal side; what holds would lower it by counts. None: any.
    pub min_balance: Option<i64>,
    /// The largest balance that it may have, positive on its normal side; what holds would raise it by counts. None: any.
    pub max_balance: Option<i64>,
    /// The ledger that it is in: the first part of its code. None: the one that has no name.
    pub ledger: Option<String>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
