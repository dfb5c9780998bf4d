//! Changes what describes an account: its name, its class, its limits and its metadata.
//!
//! Code, currency and normal side are what entries rely on, and never change. The account's version stays, since it counts lines; its
//! revision counts these changes. Frozen and closed accounts can be described anew, too: that moves no money.

use super::limit::{self, Limit, room};
use super::{AccountRef, Clock, Code, InvalidInput, input, locking, posted_balance, revise};
use daybook_entity::{AccountClass, LimitPolicy, Side, account};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value as Json;
use uuid::Uuid;

/// What an account is to become. What is not given stays.
#[derive(Clone, Debug)]
pub struct UpdateAccount {
    /// The account.
    pub account: AccountRef,
    /// The revision that it must still have.
    pub expected_revision: Option<i64>,
    /// 1 to 200 characters for people.
    pub name: Option<String>,
    /// What it is in reports; `Some(None)`: not classified.
    pub class: Option<Option<AccountClass>>,
    /// What it may not do.
    pub limit_policy: Option<LimitPolicy>,
    /// The least balance that it may have, in minor units; `Some(None)`: any.
    pub min_balance: Option<Option<i64>>,
    /// The largest balance that it may have, in minor units; `Some(None)`: any.
    pub max_balance: Option<Option<i64>>,
    /// A JSON object, in the place of the one that it has.
    pub metadata: Option<Json>,
    /// Who changes it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateAccountError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// No such account.
    #[error("there is no account `{account}`: check its id or code, or open it first")]
    NotFound {
        /// As the caller named it.
        account: AccountRef,
    },
    /// Somebody else has changed it in the meantime.
    #[error(
        "the account `{account_code}` is at revision {actual}, and {expected} was expected: read it again, and decide anew"
    )]
    RevisionConflict {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// What the caller expected.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// What is on the account now is beyond the new limit.
    #[error(
        "the account `{account_code}` is beyond this limit by {beyond} minor units of {currency}: it has {posted} posted, and holds \
         would debit {debits_pending} and credit {credits_pending}; bring its balance within the limit first"
    )]
    LimitExceeded {
        /// Its id.
        account_id: Uuid,
        /// Its code.
        account_code: String,
        /// Its currency.
        currency: String,
        /// The limit that it would have.
        limit: Limit,
        /// By how much it is beyond the limit, in minor units, holds counted as taken.
        beyond: i64,
        /// Its posted balance, in minor units.
        posted: i64,
        /// What holds would still debit, in minor units.
        debits_pending: i64,
        /// What holds would still credit, in minor units.
        credits_pending: i64,
    },
    /// The database failed.
    #[error("the database failed while the account `{account}` was being changed")]
    Database {
        /// As the caller named it.
        account: AccountRef,
        /// How.
        source: DbErr,
    },
}

impl UpdateAccountError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::NotFound { .. } => Some(Code::AccountNotFound),
            Self::RevisionConflict { .. } => Some(Code::VersionConflict),
            Self::LimitExceeded { .. } => Some(Code::LimitExceeded),
            Self::Database { .. } => None,
        }
    }
}

/// Changes what describes an account: two statements, or one if it is described like that already, which is no change.
///
/// # Errors
/// When the input breaks a rule, when there is no such account, when it is at another revision, when it is beyond the new limit, or when
/// the database fails.
pub async fn update_account(
    db: &impl ConnectionTrait,
    command: UpdateAccount,
    clock: &Clock,
) -> Result<account::Model, UpdateAccountError> {
    let by = command.account;
    let name = command.name.as_deref();
    let name = name.map(|name| input::name("name", name)).transpose()?;
    let metadata = command.metadata;
    let metadata = metadata.map(|json| input::metadata("metadata", Some(json)));
    let metadata = metadata.transpose()?;
    let failed = |source| UpdateAccountError::Database {
        account: by.clone(),
        source,
    };
    let account = locking::account(db, &by).await.map_err(failed)?;
    let account = account.ok_or_else(|| UpdateAccountError::NotFound {
        account: by.clone(),
    })?;
    if let Some(expected) = command
        .expected_revision
        .filter(|expected| *expected != account.revision)
    {
        return Err(UpdateAccountError::RevisionConflict {
            account_id: account.id,
            account_code: account.code,
            expected,
            actual: account.revision,
        });
    }
    let changed = account::Model {
        name: name.unwrap_or_else(|| account.name.clone()),
        class: command.class.unwrap_or(account.class),
        limit_policy: command.limit_policy.unwrap_or(account.limit_policy),
        min_balance: command.min_balance.unwrap_or(account.min_balance),
        max_balance: command.max_balance.unwrap_or(account.max_balance),
        metadata: metadata.unwrap_or_else(|| account.metadata.clone()),
        ..account.clone()
    };
    if changed == account {
        return Ok(account);
    }
    limit::check(&changed)?;
    let sides = [Side::Debit, Side::Credit];
    let mut rooms = sides.into_iter().filter_map(|side| room(&changed, side));
    if let Some((limit, beyond)) = rooms.find_map(|room| Some((room.limit, room.beyond()?))) {
        return Err(UpdateAccountError::LimitExceeded {
            account_id: changed.id,
            limit,
            beyond,
            posted: posted_balance(&changed),
            debits_pending: changed.debits_pending,
            credits_pending: changed.credits_pending,
            account_code: changed.code,
            currency: changed.currency,
        });
    }
    revise::revise(db, changed, command.recorded_by, clock)
        .await
        .map_err(failed)
}
