//! Opens an account, with nothing on it.

use super::input::Checks;
use super::{Code, InvalidInput, Visible, find, input, insert_once, limit};
use chrono::{DateTime, Utc};
use daybook_entity::{AccountClass, AccountStatus, LimitPolicy, Side, account};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value as Json;
use uuid::Uuid;

/// The account to open.
#[derive(Clone, Debug)]
pub struct OpenAccount {
    /// From [`new_account_id`](super::new_account_id).
    pub id: Uuid,
    /// 1 to 64 characters that no other account is called by.
    pub code: String,
    /// 1 to 200 characters for people.
    pub name: String,
    /// The code of a currency that the ledger knows.
    pub currency: String,
    /// The side on which its balance counts as positive.
    pub normal_side: Side,
    /// What it is in reports; none if it is not classified. Its usual side may be the other one than `normal_side`: an allowance for
    /// bad debts is an asset with a credit balance.
    pub class: Option<AccountClass>,
    /// What it may not do.
    pub limit_policy: LimitPolicy,
    /// The least balance that it may have, in minor units: 0 or less, since nothing is on it; any, where not said.
    pub min_balance: Option<i64>,
    /// The largest balance that it may have, in minor units: 0 or more, since nothing is on it; any, where not said.
    pub max_balance: Option<i64>,
    /// A JSON object; none is the empty one.
    pub metadata: Option<Json>,
    /// Who has it opened: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
    /// The ledgers in one of which it has to be, if not any will do.
    pub visible: Option<Visible>,
}

/// Why an account was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAccountError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// Codes are unique.
    #[error(
        "another account already has the code `{account_code}`: use that account, or choose another code"
    )]
    CodeTaken {
        /// The code that was asked for.
        account_code: String,
    },
    /// The database failed.
    #[error("the database failed while the account `{account_code}` was being opened")]
    Database {
        /// The code that was asked for.
        account_code: String,
        /// How.
        source: DbErr,
    },
}

impl OpenAccountError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::CodeTaken { .. } => Some(Code::AccountCodeTaken),
            Self::Database { .. } => None,
        }
    }
}

/// Opens an account: two statements.
///
/// # Errors
/// When the input breaks a rule, names an unknown currency or a code in use, or the database fails.
pub async fn open_account(
    db: &impl ConnectionTrait,
    command: OpenAccount,
    now: DateTime<Utc>,
) -> Result<account::Model, OpenAccountError> {
    let mut checks = Checks::default();
    let code = checks.take(input::account_code("code", &command.code));
    let name = checks.take(input::name("name", &command.name));
    let metadata = checks.take(input::metadata("metadata", command.metadata));
    let created_at = input::instant("now", now)?;
    let code_or_none = code.as_deref().unwrap_or_default();
    let found = find::currency_and_ledger(db, &command.currency, code_or_none).await;
    let found = found.map_err(|source| OpenAccountError::Database {
        account_code: code_or_none.to_owned(),
        source,
    })?;
    if found.is_none() {
        let problem = format!(
            "`{}` is not a currency of this ledger: see `currencies`",
            command.currency.escape_debug()
        );
        checks.add(InvalidInput::new("currency", problem));
    }
    let ledger = found.and_then(|(_, ledger)| ledger);
    if let Some(visible) = &command.visible
        && !visible.contains(ledger.as_deref())
    {
        let codes: Vec<_> = visible.codes().map(|code| format!("`{code}:`")).collect();
        let problem = format!(
            "must begin with the code of a ledger that there is, and that your token is for: {}",
            codes.join(", ")
        );
        checks.add(InvalidInput::new("code", problem));
    }
    let account = account::Model {
        id: command.id,
        code: code.unwrap_or_default(),
        name: name.unwrap_or_default(),
        currency: command.currency,
        normal_side: command.normal_side,
        debits_posted: 0,
        debits_pending: 0,
        credits_posted: 0,
        credits_pending: 0,
        limit_policy: command.limit_policy,
        version: 0,
        status: AccountStatus::Open,
        metadata: metadata.unwrap_or_default(),
        created_at,
        latest_effective_at: None,
        class: command.class,
        revision: 1,
        revised_at: None,
        revised_by: command.recorded_by,
        min_balance: command.min_balance,
        max_balance: command.max_balance,
        ledger,
    };
    checks.take(limit::check(&account));
    for (field, beyond) in [
        ("minBalance", account.min_balance.filter(|min| *min > 0)),
        ("maxBalance", account.max_balance.filter(|max| *max < 0)),
    ] {
        if let Some(beyond) = beyond {
            let problem = format!(
                "is {beyond}, and nothing is on a new account: set this limit with `updateAccount` once the balance is within it"
            );
            checks.add(InvalidInput::new(field, problem));
        }
    }
    if let Some(refusal) = checks.refusal() {
        return Err(refusal.into());
    }
    let failed = |source| OpenAccountError::Database {
        account_code: account.code.clone(),
        source,
    };
    if insert_once::insert_once(db, &account, &[account::Column::Code])
        .await
        .map_err(failed)?
    {
        Ok(account)
    } else {
        Err(OpenAccountError::CodeTaken {
            account_code: account.code,
        })
    }
}
