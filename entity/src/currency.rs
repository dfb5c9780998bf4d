//! What an amount is counted in.

use sea_orm::entity::prelude::*;

/// A currency.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "currency")]
pub struct Model {
    /// ISO 4217, or a code of one's own of the same form.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    /// One unit is 10^exponent minor units; 0 to 18.
    pub exponent: i32,
    /// What people write for it: 1 to 12 characters.
    pub symbol: Option<String>,
    /// When it was created; none if it is of ISO 4217, or was registered before the ledger kept it.
    pub recorded_at: Option<DateTimeUtc>,
    /// Who created it: 1 to 1024 characters.
    pub recorded_by: Option<String>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
