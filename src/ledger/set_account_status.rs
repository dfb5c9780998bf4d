//! Freezes, opens and closes accounts.
//!
//! OPEN and FROZEN go back and forth. Either can be CLOSED once nothing is on it, and CLOSED is final. To ask for the status that an
//! account already has is no error, and no change. The account's version stays, since it counts lines.

use super::{AccountRef, Clock, Code, locking, posted_balance, revise};
use daybook_entity::{AccountStatus, account};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

/// The status that an account is to have.
#[derive(Clone, Debug)]
pub struct SetAccountStatus {
    /// The account.
    pub account: AccountRef,
    /// Its status.
    pub status: AccountStatus,
    /// Who sets it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Why an account's status stayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetAccountStatusError {
    /// No such account.
    #[error("there is no account `{account}`: check its id or code, or open it first")]
    NotFound {
        /// As the caller named it.
        account: AccountRef,
    },
    /// Closed is final.
    #[error("the account `{account_code}` is closed, and stays so: open another one")]
    Closed {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
    },
    /// There is money on it.
    #[error(
        "the account `{account_code}` still has {posted} posted and {debits_pending} + {credits_pending} pending minor units of \
         {currency}: post the balance away and resolve its holds, then close it"
    )]
    NotEmpty {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// Its currency.
        currency: String,
        /// Its posted balance, in minor units.
        posted: i64,
        /// What holds would still debit, in minor units.
        debits_pending: i64,
        /// What holds would still credit, in minor units.
        credits_pending: i64,
    },
    /// The database failed.
    #[error("the database failed while the status of `{account}` was being set")]
    Database {
        /// As the caller named it.
        account: AccountRef,
        /// How.
        source: DbErr,
    },
}

impl SetAccountStatusError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::NotFound { .. } => Some(Code::AccountNotFound),
            Self::Closed { .. } => Some(Code::AccountNotOpen),
            Self::NotEmpty { .. } => Some(Code::BadUserInput),
            Self::Database { .. } => None,
        }
    }
}

/// Sets an account's status: two statements, or one when it has that status already.
///
/// # Errors
/// When there is no such account, when it is closed, when it is to be closed and not empty, or when the database fails.
pub async fn set_account_status(
    db: &impl ConnectionTrait,
    command: SetAccountStatus,
    clock: &Clock,
) -> Result<account::Model, SetAccountStatusError> {
    let SetAccountStatus {
        account: by,
        status,
        recorded_by,
    } = command;
    let failed = |source| SetAccountStatusError::Database {
        account: by.clone(),
        source,
    };
    let account = locking::account(db, &by).await.map_err(failed)?;
    let account = account.ok_or_else(|| SetAccountStatusError::NotFound {
        account: by.clone(),
    })?;
    if account.status == status {
        return Ok(account);
    }
    if let Some(refusal) = refusal(&account, status) {
        return Err(refusal);
    }
    let changed = account::Model { status, ..account };
    revise::revise(db, changed, recorded_by, clock)
        .await
        .map_err(failed)
}

fn refusal(account: &account::Model, status: AccountStatus) -> Option<SetAccountStatusError> {
    if account.status == AccountStatus::Closed {
        return Some(SetAccountStatusError::Closed {
            account_id: account.id,
            account_code: account.code.clone(),
        });
    }
    let empty = account.debits_posted == account.credits_posted
        && account.debits_pending == 0
        && account.credits_pending == 0;
    if status == AccountStatus::Closed && !empty {
        return Some(SetAccountStatusError::NotEmpty {
            account_id: account.id,
            account_code: account.code.clone(),
            currency: account.currency.clone(),
            posted: posted_balance(account),
            debits_pending: account.debits_pending,
            credits_pending: account.credits_pending,
        });
    }
    None
}
