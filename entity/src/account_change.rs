//! A state of an account, from one of its changes to the next; append-only. The database writes it.

use super::account::{AccountClass, AccountStatus, LimitPolicy};
use sea_orm::entity::prelude::*;

/// What an account was after a change, or at its opening.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_change")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    /// From 1, which is the opening, without a gap.
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// What people read.
    pub name: String,
    /// What it is in reports.
    pub class: Option<AccountClass>,
    /// What it may not do.
    pub limit_policy: LimitPolicy,
    /// Whether lines may touch it.
    pub status: AccountStatus,
    /// A JSON object of the caller's.
    pub metadata: Json,
    /// When the ledger learned of it.
    pub recorded_at: DateTimeUtc,
    /// Who did it: the `sub` of a token.
    pub recorded_by: Option<String>,
    /// The least balance that it may have.
    pub min_balance: Option<i64>,
    /// The largest balance that it may have.
    pub max_balance: Option<i64>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
