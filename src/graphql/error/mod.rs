//! How the ledger's errors become GraphQL errors. Which to use where:
//!
//! - [`refuse`] for any error of the ledger: a refusal keeps its message, its code and its details; a database error goes
//!   on as it is, and the unit of work masks it, decides whether it is retryable, and logs it.
//! - [`bad_input`] for what only this layer can see.
//!
//! A refusal is an error, never data in a payload: data would commit.

mod entry;

use async_graphql::{Error, ErrorExtensionValues, ErrorExtensions};
use sea_orm::DbErr;

use crate::ledger::{
    Code, Id, InvalidId, InvalidInput, OpenAccountError, PageError, SetAccountStatusError,
};

/// An error of the ledger, as far as this layer needs to know it.
pub(in crate::graphql) trait Refusal: std::error::Error {
    /// What clients switch on; `None` when it is not the caller's doing.
    fn code(&self) -> Option<Code>;

    /// The typed details of a refusal, for programs.
    fn details(&self, details: &mut ErrorExtensionValues);

    /// The database error that caused it, if one did.
    fn into_database_error(self) -> Option<DbErr>;
}

/// The GraphQL error for an error of the ledger.
pub(super) fn refuse(error: impl Refusal) -> Error {
    let Some(code) = error.code() else {
        return match error.into_database_error() {
            Some(source) => Error::new_with_source(source),
            None => Error::new_with_source(DbErr::Custom("an error without a code".to_owned())),
        };
    };
    coded(code, error.to_string()).extend_with(|_, extensions| error.details(extensions))
}

/// Input that breaks a rule of this layer's.
pub(super) fn bad_input(field: &str, problem: &str) -> Error {
    coded(Code::BadUserInput, format!("`{field}`: {problem}"))
        .extend_with(|_, extensions| extensions.set("field", field))
}

fn coded(code: Code, message: String) -> Error {
    Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", code.as_str());
        extensions.set("retryable", code.retryable());
    })
}

fn account(details: &mut ErrorExtensionValues, id: uuid::Uuid, code: &str) {
    details.set("accountId", Id::Account(id).to_string());
    details.set("accountCode", code);
}

/// Amounts and versions are written as `Int64` is: as strings.
fn int64(details: &mut ErrorExtensionValues, name: &str, value: i64) {
    details.set(name, value.to_string());
}

impl Refusal for InvalidInput {
    fn code(&self) -> Option<Code> {
        Some(Self::code(self))
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        details.set("field", self.field.as_str());
    }

    fn into_database_error(self) -> Option<DbErr> {
        None
    }
}

impl Refusal for InvalidId {
    fn code(&self) -> Option<Code> {
        Some(Code::BadUserInput)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        details.set("field", "id");
    }

    fn into_database_error(self) -> Option<DbErr> {
        None
    }
}

impl Refusal for PageError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        if let Self::Input(input) = self {
            input.details(details);
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database { source } => Some(source),
            _ => None,
        }
    }
}

impl Refusal for OpenAccountError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::CodeTaken { account_code } => details.set("accountCode", account_code.as_str()),
            Self::Database { .. } => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Refusal for SetAccountStatusError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::NotFound { account } => details.set("account", account.to_string()),
            Self::Closed {
                account_id,
                account_code,
            }
            | Self::Contended {
                account_id,
                account_code,
            } => {
                account(details, *account_id, account_code);
            }
            Self::NotEmpty {
                account_id,
                account_code,
                currency,
                posted,
                debits_pending,
                credits_pending,
            } => {
                account(details, *account_id, account_code);
                details.set("currency", currency.as_str());
                int64(details, "posted", *posted);
                int64(details, "debitsPending", *debits_pending);
                int64(details, "creditsPending", *credits_pending);
            }
            Self::Database { .. } => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database { source, .. } => Some(source),
            _ => None,
        }
    }
}
