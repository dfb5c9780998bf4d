//! `ledger`: ledgers beside the one that has no name. Append-only.

use sea_orm::entity::prelude::*;

/// A ledger.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger")]
pub struct Model {
    /// The first part of its accounts' codes: 1 to 32 letters, digits, `-` and `_`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    /// What people read.
    pub name: String,
    /// When it was created.
    pub recorded_at: DateTimeUtc,
    /// Who created it: the `sub` of a token.
    pub recorded_by: Option<String>,
}

/// No relations are followed by SeaORM.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
