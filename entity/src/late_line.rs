//! A line that counts from an earlier instant than a line before it on the same account; append-only.

use sea_orm::entity::prelude::*;

/// A late line of an account, with the sums over the account's late lines up to it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "late_line")]
pub struct Model {
    /// The account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    /// Its version after the line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The latest instant that a line up to it counts from.
    pub latest_effective_at: DateTimeUtc,
    /// How many late lines there are up to it.
    pub lines: i64,
    /// What they add to the posted balance, positive on the normal side.
    pub posted: i64,
    /// What they add to the pending debits.
    pub debits_pending: i64,
    /// What they add to the pending credits.
    pub credits_pending: i64,
    /// The sum of all amounts that they set aside or free. As long as it does not overflow, no sum of pending amounts does.
    pub held: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
