//! A group of accounts, or what is in it, was changed; append-only.

use sea_orm::entity::prelude::*;

/// A change of a group itself; or of the group of a tree that an account, or a prefix of codes, is in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "group_change")]
pub struct Model {
    /// In their order, not without gaps.
    #[sea_orm(primary_key)]
    pub number: i64,
    /// The tree.
    pub tree_id: Uuid,
    /// The group that was changed, that something was put into, or that it was taken out of.
    pub group_id: Uuid,
    /// What was put into a group or taken out, if it was an account.
    pub account_id: Option<Uuid>,
    /// What was put into a group or taken out, if it was a prefix of codes.
    pub code_prefix: Option<String>,
    /// The group's path before, or the path of the group that it was in; none if it is new, or was in none.
    pub path_before: Option<String>,
    /// The group's path, or the path of the group that it is in since then; none if it was deleted, or taken out.
    pub path_after: Option<String>,
    /// The group's name before, if the group itself was changed.
    pub name_before: Option<String>,
    /// Its name since then.
    pub name_after: Option<String>,
    /// When the ledger learned of it.
    pub recorded_at: DateTimeUtc,
    /// Who did it: the `sub` of a token.
    pub recorded_by: Option<String>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
