//! An event that could not be delivered to an endpoint.

use sea_orm::entity::prelude::*;

/// An event that could not be delivered to an endpoint, and was passed over.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_dead_letter")]
pub struct Model {
    /// The endpoint.
    #[sea_orm(primary_key, auto_increment = false)]
    pub webhook_id: Uuid,
    /// The number of the event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// How many attempts have failed.
    pub attempts: i64,
    /// When the last one did.
    pub failed_at: DateTimeUtc,
    /// Why: 1 to 500 characters.
    pub reason: String,
    /// 1 if somebody wants it to be sent once more, and that was not tried yet; otherwise 0.
    pub is_requested: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
