//! A group of accounts. The database writes it.

use sea_orm::entity::prelude::*;

/// A group of accounts, or a tree of them, which is a group without a parent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_group")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The tree that it is in; its own id, if it is a tree.
    pub tree_id: Uuid,
    /// Its unique name, whose parts colons separate: that of its tree comes first.
    #[sea_orm(unique)]
    pub path: String,
    /// The path of the group that it is in; none for a tree.
    pub parent_path: Option<String>,
    /// What people read.
    pub name: String,
    /// How many changes of its path and its name there have been, its creation included.
    pub revision: i64,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
