//! Sums over the late lines of an account by the instant that they count from, in buckets of many sizes.

use sea_orm::entity::prelude::*;

/// The sums over an account's late lines that count from an instant of one bucket.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "late_total")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    /// The bucket's size: 64^level microseconds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: i32,
    /// Its number, counted from the year 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket: i64,
    /// How many late lines.
    pub lines: i64,
    /// What they add to the posted balance, positive on the normal side.
    pub posted: i64,
    /// What they add to the pending debits.
    pub debits_pending: i64,
    /// What they add to the pending credits.
    pub credits_pending: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
