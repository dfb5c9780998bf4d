//! How an error of the ledger becomes a GraphQL error. Which function to use where:
//!
//! - [`refuse`] for any error of the ledger. A refusal keeps its message, its code and its details. A database error goes on as it is: the
//!   unit of work masks it, decides whether it is retryable, and logs it.
//! - [`bad_input`] for input that breaks a rule of this layer.
//!
//! A refusal is an error, never data in a payload: data would commit. What each error of the ledger tells is in `error`.

use async_graphql::{Error, ErrorExtensionValues, ErrorExtensions};
use sea_orm::DbErr;

use crate::ledger::Code;

/// An error of the ledger, as far as this layer needs to know it.
pub(super) trait Refusal: std::error::Error {
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
