//! Registers a currency that the ledger does not know yet.

use super::{InvalidInput, input};
use daybook_entity::currency;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel};

/// Why a currency was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterCurrencyError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The database failed.
    #[error("the database failed while a currency was being registered")]
    Database(#[from] DbErr),
}

/// Registers a currency in one statement. A currency that has this code already stays as it is.
///
/// # Errors
/// When the code or the exponent breaks a rule, or the database fails.
pub async fn register_currency(
    db: &impl ConnectionTrait,
    currency: currency::Model,
) -> Result<(), RegisterCurrencyError> {
    if !input::is_currency_code(&currency.code) {
        let problem = "must be 3 to 12 capital letters and digits";
        return Err(InvalidInput::new("code", problem).into());
    }
    if !(0..=18).contains(&currency.exponent) {
        return Err(InvalidInput::new("exponent", "must be 0 to 18").into());
    }
    currency::Entity::insert(currency.into_active_model())
        .on_conflict_do_nothing_on([currency::Column::Code])
        .exec_without_returning(db)
        .await?;
    Ok(())
}
