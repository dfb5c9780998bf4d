//! What a part takes of a line of the entry that it undoes or ends, and what it leaves; append-only.

use sea_orm::entity::prelude::*;

/// A part of a line. A line that was undone or ended at once has none.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "line_part")]
pub struct Model {
    /// The entry that is undone or ended.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry_id: Uuid,
    /// Its line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub line_no: i32,
    /// The number of the part.
    #[sea_orm(primary_key, auto_increment = false)]
    pub part: i32,
    /// The reversal, capture or release.
    pub by_entry_id: Uuid,
    /// What it takes of the line: minor units; positive.
    pub amount: i64,
    /// What is left of the line after it: minor units.
    pub remaining: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
