//! The books were closed, or reopened; append-only.

use sea_orm::entity::prelude::*;

/// Until when the books are closed since then.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "closing")]
pub struct Model {
    /// In their order, not without gaps.
    #[sea_orm(primary_key)]
    pub number: i64,
    /// UUIDv7.
    #[sea_orm(unique)]
    pub id: Uuid,
    /// Of the accounts whose codes begin with this; of all, where it is empty.
    pub code_prefix: String,
    /// The instant before which nothing is posted; none where nothing is closed any more.
    pub closed_until: Option<DateTimeUtc>,
    /// What people read.
    pub reason: Option<String>,
    /// The last number of the outbox before it: what has a larger one was posted afterwards.
    pub after_seq: i64,
    /// When the ledger learned of it.
    pub recorded_at: DateTimeUtc,
    /// Who did it: the `sub` of a token.
    pub recorded_by: Option<String>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
