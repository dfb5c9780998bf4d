//! One positive amount, from a debit account to a credit account; append-only.

use sea_orm::entity::prelude::*;

/// What a line does with its amount, to both of its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum LineEffect {
    /// Moves it.
    #[sea_orm(string_value = "POST")]
    Post,
    /// Sets it aside.
    #[sea_orm(string_value = "HOLD")]
    Hold,
    /// Moves it, and it is no longer set aside.
    #[sea_orm(string_value = "CAPTURE")]
    Capture,
    /// It is no longer set aside.
    #[sea_orm(string_value = "RELEASE")]
    Release,
}

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
    /// The currency of both accounts.
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
    /// What it does with the amount.
    pub effect: LineEffect,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
