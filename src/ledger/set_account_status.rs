//! Freezes, opens and closes accounts.
//!
//! OPEN and FROZEN go back and forth. Either can be CLOSED once nothing is on it, and CLOSED is final. To ask for the status that an
//! account already has is no error. The account's version stays, since it counts lines.

use super::{AccountRef, Code, find, locking, posted_balance};
use daybook_entity::{AccountStatus, account};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter};
use uuid::Uuid;

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
    /// It was changed by others each time.
    #[error("the account `{account_code}` is being changed by others: try again")]
    Contended {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
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
            Self::Contended { .. } => Some(Code::ConflictRetriesExhausted),
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
    by: &AccountRef,
    status: AccountStatus,
) -> Result<account::Model, SetAccountStatusError> {
    let failed = |source| SetAccountStatusError::Database {
        account: by.clone(),
        source,
    };
    let Some(mut account) = find::account(db, by).await.map_err(failed)? else {
        return Err(SetAccountStatusError::NotFound {
            account: by.clone(),
        });
    };
    locking::first(db, account.id).await.map_err(failed)?;
    // Another transaction may change the row between the read, which finds no obstacle, and the update. Each further turn means that one
    // did.
    for _ in 0..3 {
        if account.status == status {
            return Ok(account);
        }
        if let Some(refusal) = refusal(&account, status) {
            return Err(refusal);
        }
        if let Some(updated) = update(db, account.id, status).await.map_err(failed)? {
            return Ok(updated);
        }
        account = account::Entity::find_by_id(account.id)
            .one(db)
            .await
            .map_err(failed)?
            .ok_or_else(|| SetAccountStatusError::NotFound {
                account: by.clone(),
            })?;
    }
    Err(SetAccountStatusError::Contended {
        account_id: account.id,
        account_code: account.code,
    })
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

/// The update with the same conditions in its WHERE; `None` when they do not hold (any more).
async fn update(
    db: &impl ConnectionTrait,
    id: Uuid,
    status: AccountStatus,
) -> Result<Option<account::Model>, DbErr> {
    use account::Column;
    let mut update = account::Entity::update_many()
        .col_expr(Column::Status, Expr::value(status))
        .filter(Column::Id.eq(id))
        .filter(Column::Status.ne(AccountStatus::Closed));
    if status == AccountStatus::Closed {
        update = update
            .filter(Expr::col(Column::DebitsPosted).eq(Expr::col(Column::CreditsPosted)))
            .filter(Column::DebitsPending.eq(0))
            .filter(Column::CreditsPending.eq(0));
    }
    Ok(update.exec_with_returning(db).await?.into_iter().next())
}
