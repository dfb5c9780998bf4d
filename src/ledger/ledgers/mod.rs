//! Several ledgers in one database.
//!
//! There is one ledger without a name, and those that were created. A ledger's code is the first part of its accounts' codes:
//! `acme:assets:cash` is an account of the ledger `acme`, if there is one; otherwise it is an account of the ledger without a name, whose codes may
//! be anything. An account stays in its ledger, so a ledger is created before its accounts.
//!
//! **No entry crosses** from one ledger to another; the database holds this. That is what makes it possible to show somebody some ledgers
//! and not others, and nothing but the truth: each balances by itself, and what is seen never lacks its other half.

mod visible;

use super::{Code, InvalidInput, input, input::Checks, insert_once, locking};
use chrono::{DateTime, Utc};
use daybook_entity::{account, ledger};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use std::collections::HashMap;

pub use visible::{Visible, can_confine, confine};

/// How many ledgers there can be, beside the one without a name.
pub const MOST_LEDGERS: u64 = 1000;

/// The most characters of a ledger's code.
const CODE_LENGTH: usize = 32;

/// The ledger to create.
#[derive(Clone, Debug)]
pub struct CreateLedger {
    /// 1 to 32 letters (a to z, A to Z), digits, `-` and `_`.
    pub code: String,
    /// 1 to 200 characters for people.
    pub name: String,
    /// Who creates it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Why a ledger was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateLedgerError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// There is one of this code.
    #[error("there is a ledger `{code}` already: use it, or choose another code")]
    Taken {
        /// The code.
        code: String,
    },
    /// An account would be of the ledger, and is of another.
    #[error(
        "the account `{account_code}` is there already, and stays in the ledger that it is in: a ledger is created before the accounts whose \
         codes begin with `{code}:`; choose another code"
    )]
    NotNew {
        /// The code that was asked for.
        code: String,
        /// One of the accounts.
        account_code: String,
    },
    /// The database failed.
    #[error("the database failed while a ledger was being created")]
    Database(#[from] DbErr),
}

impl CreateLedgerError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::Taken { .. } => Some(Code::LedgerTaken),
            Self::NotNew { .. } => Some(Code::LedgerNotNew),
            Self::Database(_) => None,
        }
    }
}

/// What of an account's code can be the code of its ledger: all before the first colon.
pub(super) fn first_part(account_code: &str) -> &str {
    account_code
        .split_once(':')
        .map_or(account_code, |(first, _)| first)
}

/// Whether a ledger can have this code.
fn is_code(text: &str) -> bool {
    (1..=CODE_LENGTH).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Creates a ledger: four statements, and on PostgreSQL one more, which waits for those who open accounts, and lets them wait until the
/// transaction ends.
///
/// # Errors
/// When the input breaks a rule, when there is a ledger of this code or an account that would be of it, when there are [`MOST_LEDGERS`], or
/// when the database fails.
pub async fn create_ledger(
    db: &impl ConnectionTrait,
    command: CreateLedger,
    now: DateTime<Utc>,
) -> Result<ledger::Model, CreateLedgerError> {
    let mut checks = Checks::default();
    if !is_code(&command.code) {
        let problem = format!(
            "must be 1 to {CODE_LENGTH} letters (a to z, A to Z), digits, `-` and `_`: it is the first part of the codes of its accounts"
        );
        checks.add(InvalidInput::new("code", problem));
    }
    let name = checks.take(input::name("name", &command.name));
    let recorded_at = input::instant("now", now)?;
    if let Some(refusal) = checks.refusal() {
        return Err(refusal.into());
    }
    let code = command.code;
    locking::whole(db, "ledger", "EXCLUSIVE").await?;
    let count = ledger::Entity::find().count(db).await?;
    if ledger(db, &code).await?.is_some() {
        return Err(CreateLedgerError::Taken { code });
    }
    if count >= MOST_LEDGERS {
        let problem = format!("cannot be created: there are {MOST_LEDGERS} ledgers, the most");
        return Err(InvalidInput::new("code", problem).into());
    }
    let within = Condition::all()
        .add(account::Column::Code.gte(format!("{code}:")))
        .add(account::Column::Code.lt(format!("{code};")));
    let account_code = account::Entity::find()
        .select_only()
        .column(account::Column::Code)
        .filter(
            Condition::any()
                .add(account::Column::Code.eq(code.as_str()))
                .add(within),
        )
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    if let Some(account_code) = account_code {
        return Err(CreateLedgerError::NotNew { code, account_code });
    }
    let ledger = ledger::Model {
        code,
        name: name.unwrap_or_default(),
        recorded_at,
        recorded_by: command.recorded_by,
    };
    if insert_once::insert_once(db, &ledger, &[ledger::Column::Code]).await? {
        Ok(ledger)
    } else {
        Err(CreateLedgerError::Taken { code: ledger.code })
    }
}

/// The ledger with this code.
///
/// # Errors
/// When the database fails.
pub async fn ledger(db: &impl ConnectionTrait, code: &str) -> Result<Option<ledger::Model>, DbErr> {
    if !is_code(code) {
        return Ok(None);
    }
    ledger::Entity::find_by_id(code).one(db).await
}

/// The ledgers with these codes, by code.
///
/// # Errors
/// When the database fails.
pub async fn ledgers_by_code(
    db: &impl ConnectionTrait,
    codes: impl IntoIterator<Item = String>,
) -> Result<HashMap<String, ledger::Model>, DbErr> {
    let codes = codes.into_iter().filter(|code| is_code(code));
    let found = ledger::Entity::find()
        .filter(ledger::Column::Code.is_in(codes))
        .all(db)
        .await?;
    Ok(found.into_iter().map(|it| (it.code.clone(), it)).collect())
}

/// All ledgers but the one without a name, by code.
///
/// # Errors
/// When the database fails.
pub async fn ledgers(db: &impl ConnectionTrait) -> Result<Vec<ledger::Model>, DbErr> {
    ledger::Entity::find()
        .order_by_asc(ledger::Column::Code)
        .all(db)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_ledgers_are_plain() {
        for code in ["a", "acme", "Acme-2_b", "0", &"x".repeat(32)] {
            assert!(is_code(code), "{code}");
        }
        for code in ["", "a:b", "a b", "é", "a'b", "a\n", "*", &"x".repeat(33)] {
            assert!(!is_code(code), "{code}");
        }
    }

    #[test]
    fn the_first_part_ends_at_the_first_colon() {
        for (code, first) in [
            ("acme:assets:cash", "acme"),
            ("acme", "acme"),
            (":acme", ""),
            ("acme:", "acme"),
            ("acme;x:y", "acme;x"),
        ] {
            assert_eq!(first_part(code), first, "{code}");
        }
    }
}
