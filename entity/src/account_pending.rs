//! What was pending on an account after a line that changed it; append-only.

use sea_orm::entity::prelude::*;

/// The pending totals of an account after one of its versions. Versions whose lines only post have no row: the last one before
/// holds for them.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_pending")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    /// Its version after the line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// What holds would still debit after it.
    pub debits_pending: i64,
    /// What holds would still credit after it.
    pub credits_pending: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
