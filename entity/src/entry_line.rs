//! One positive amount, from a debit account to a credit account; append-only.

use sea_orm::entity::prelude::*;

/// A line of an entry. Balances are posted balances, signed by the account's normal side.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entry_line")]
pub struct Model {
    /// The entry that it belongs to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: Uuid,
    /// Its place in the entry, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub line_no: i32,
    /// The account that is debited.
    pub debit_account_id: Uuid,
    /// The account that is credited.
    pub credit_account_id: Uuid,
    /// That of both accounts.
    pub currency: String,
    /// Minor units; positive.
    pub amount: i64,
    /// The debit account's version after this line.
    pub debit_version: i64,
    /// The debit account's balance after this line.
    pub debit_balance: i64,
    /// The credit account's version after this line.
    pub credit_version: i64,
    /// The credit account's balance after this line.
    pub credit_balance: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
