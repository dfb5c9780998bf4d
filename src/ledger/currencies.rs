//! Currencies beside those of ISO 4217, which every ledger has from its beginning.
//!
//! A currency's code and exponent never change: amounts are kept in its minor units. Its symbol can change, since it is for people alone.

use super::{Code, InvalidInput, input, input::Checks, insert_once};
use chrono::{DateTime, Utc};
use daybook_entity::currency;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, IntoActiveModel, Set};

/// The most characters of a symbol.
const SYMBOL_LENGTH: usize = 12;

/// The currency to create.
#[derive(Clone, Debug)]
pub struct CreateCurrency {
    /// 3 to 12 capital letters and digits.
    pub code: String,
    /// How many decimal places a unit has: 0 to 18.
    pub exponent: i32,
    /// What people write for it: 1 to 12 characters. Several currencies may have the same one.
    pub symbol: Option<String>,
    /// Who creates it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Why a currency was not created or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CurrencyError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// There is one of this code.
    #[error(
        "there is a currency `{code}` already, with {exponent} decimal places: use it, or choose another code; a currency's decimal \
         places never change"
    )]
    Taken {
        /// The code.
        code: String,
        /// The exponent of the one that is there.
        exponent: i32,
    },
    /// There is none of this code.
    #[error("there is no currency `{}`: see `currencies`, or create it first", .code.escape_debug())]
    NotFound {
        /// As the caller named it.
        code: String,
    },
    /// The database failed.
    #[error("the database failed while a currency was being written")]
    Database(#[from] DbErr),
}

impl CurrencyError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::Taken { .. } => Some(Code::CurrencyTaken),
            Self::NotFound { .. } => Some(Code::CurrencyNotFound),
            Self::Database(_) => None,
        }
    }
}

/// Creates a currency: one statement, two if its code is taken.
///
/// # Errors
/// When the input breaks a rule, when there is a currency of this code, or when the database fails.
pub async fn create_currency(
    db: &impl ConnectionTrait,
    command: CreateCurrency,
    now: DateTime<Utc>,
) -> Result<currency::Model, CurrencyError> {
    let CreateCurrency {
        code,
        exponent,
        symbol,
        recorded_by,
    } = command;
    let mut checks = Checks::default();
    checks.take(check(&code, exponent));
    let symbol = symbol.map(|symbol| checks.take(self::symbol(&symbol)));
    let recorded_at = input::instant("now", now)?;
    if let Some(refusal) = checks.refusal() {
        return Err(refusal.into());
    }
    let currency = currency::Model {
        code: code.clone(),
        exponent,
        symbol: symbol.flatten(),
        recorded_at: Some(recorded_at),
        recorded_by,
    };
    if insert(db, currency.clone()).await? {
        return Ok(currency);
    }
    let there = super::currency(db, &code).await?;
    // Cannot happen: what was in the way of the row is visible, and currencies are never deleted.
    let there = there.ok_or_else(|| DbErr::RecordNotFound(code.clone()))?;
    Err(CurrencyError::Taken {
        code,
        exponent: there.exponent,
    })
}

/// Gives a currency another symbol, or none: two statements, or one if it is its symbol already, which is no change.
///
/// # Errors
/// When the symbol breaks a rule, when there is no currency of this code, or when the database fails.
pub async fn set_currency_symbol(
    db: &impl ConnectionTrait,
    code: &str,
    symbol: Option<&str>,
) -> Result<currency::Model, CurrencyError> {
    let symbol = symbol.map(self::symbol).transpose()?;
    let currency = super::currency(db, code).await?;
    let currency = currency.ok_or_else(|| CurrencyError::NotFound {
        code: code.to_owned(),
    })?;
    if currency.symbol == symbol {
        return Ok(currency);
    }
    let mut changed = currency.into_active_model();
    changed.symbol = Set(symbol);
    Ok(changed.update(db).await?)
}

/// Registers a currency, for an import: one statement. A currency that has this code already stays as it is.
///
/// # Errors
/// When the code or the exponent breaks a rule, or the database fails.
pub async fn register_currency(
    db: &impl ConnectionTrait,
    code: String,
    exponent: i32,
    now: DateTime<Utc>,
) -> Result<(), CurrencyError> {
    check(&code, exponent)?;
    let currency = currency::Model {
        code,
        exponent,
        symbol: None,
        recorded_at: Some(input::instant("now", now)?),
        recorded_by: None,
    };
    insert(db, currency).await?;
    Ok(())
}

/// Whether it was inserted: not if there is one of its code.
async fn insert(db: &impl ConnectionTrait, currency: currency::Model) -> Result<bool, DbErr> {
    insert_once::insert_once(db, &currency, &[currency::Column::Code]).await
}

fn check(code: &str, exponent: i32) -> Result<(), InvalidInput> {
    let mut checks = Checks::default();
    if !input::is_currency_code(code) {
        let problem = "must be 3 to 12 capital letters and digits";
        checks.add(InvalidInput::new("code", problem));
    }
    if !(0..=18).contains(&exponent) {
        checks.add(InvalidInput::new("exponent", "must be 0 to 18"));
    }
    checks.refusal().map_or(Ok(()), Err)
}

fn symbol(text: &str) -> Result<String, InvalidInput> {
    input::visible_line("symbol", text, SYMBOL_LENGTH)
}
