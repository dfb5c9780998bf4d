//! A change of an entry's metadata; append-only. Inserting it changes the entry.

use sea_orm::entity::prelude::*;

/// Metadata of an entry before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entry_change")]
pub struct Model {
    /// The entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: Uuid,
    /// From 1, without a gap.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// The whole metadata before.
    pub metadata_before: Json,
    /// The whole metadata since then.
    pub metadata_after: Json,
    /// When the ledger learned of it.
    pub recorded_at: DateTimeUtc,
    /// Who did it: the `sub` of a token.
    pub recorded_by: Option<String>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
