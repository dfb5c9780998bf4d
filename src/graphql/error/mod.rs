//! What each error of the ledger tells clients: its code, and its details for programs.
//!
//! Nothing imports this folder. `refusal` has the functions that turn these errors into GraphQL errors.

mod entry;

use async_graphql::{ErrorExtensionValues, Value};
use sea_orm::DbErr;

use super::{object::LimitPolicy, refusal::Refusal};
use crate::ledger::{
    AccountGroupError, AccountNotFound, CloseBooksError, Code, CreateLedgerError, CurrencyError,
    GroupNotFound, Id, InvalidId, InvalidInput, Limit, OpenAccountError, PageError,
    SetAccountStatusError, UpdateAccountError, WebhookError,
};

fn account(details: &mut ErrorExtensionValues, id: uuid::Uuid, code: &str) {
    details.set("accountId", Id::Account(id).to_string());
    details.set("accountCode", code);
}

/// One of several problems: what its error would say by itself.
fn problem(refusal: &impl Refusal) -> Value {
    let mut details = ErrorExtensionValues::default();
    details.set("message", refusal.to_string());
    if let Some(code) = refusal.code() {
        details.set("code", code.as_str());
    }
    refusal.details(&mut details);
    let details = serde_json::to_value(details).unwrap_or_default();
    Value::from_json(details).unwrap_or_default()
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
        if !self.others.is_empty() {
            let first = Self {
                others: Vec::new(),
                ..self.clone()
            };
            let all = std::iter::once(&first).chain(&self.others);
            details.set("problems", Value::List(all.map(problem).collect()));
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        None
    }
}

impl Refusal for AccountNotFound {
    fn code(&self) -> Option<Code> {
        Some(Code::AccountNotFound)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        details.set("field", self.field.as_str());
        details.set("account", self.account.to_string());
    }

    fn into_database_error(self) -> Option<DbErr> {
        None
    }
}

impl Refusal for GroupNotFound {
    fn code(&self) -> Option<Code> {
        Some(Code::GroupNotFound)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        details.set("field", self.field.as_str());
        details.set("group", self.group.to_string());
    }

    fn into_database_error(self) -> Option<DbErr> {
        None
    }
}

impl Refusal for AccountGroupError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        let mut group = |id: &uuid::Uuid, path: &str| {
            details.set("groupId", Id::Group(*id).to_string());
            details.set("groupPath", path);
        };
        match self {
            Self::Input(input) => input.details(details),
            Self::NotFound(refusal) => refusal.details(details),
            Self::AccountNotFound(refusal) => refusal.details(details),
            Self::PathTaken { path, group_id } => {
                group(group_id, path);
                details.set("field", "path");
            }
            Self::NotEmpty {
                group_id,
                path,
                groups,
                accounts,
                code_prefixes,
            } => {
                group(group_id, path);
                int64(details, "groups", *groups);
                int64(details, "accounts", *accounts);
                int64(details, "codePrefixes", *code_prefixes);
            }
            Self::RevisionConflict {
                group_id,
                path,
                expected,
                actual,
            } => {
                group(group_id, path);
                int64(details, "expected", *expected);
                int64(details, "actual", *actual);
            }
            Self::Database { .. } => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database { source } => Some(source),
            _ => None,
        }
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
        match self {
            Self::Input(input) => input.details(details),
            Self::AccountNotFound(refusal) => refusal.details(details),
            Self::GroupNotFound(refusal) => refusal.details(details),
            _ => {}
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

impl Refusal for CreateLedgerError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::Taken { code } => details.set("ledger", code.as_str()),
            Self::NotNew { code, account_code } => {
                details.set("ledger", code.as_str());
                details.set("accountCode", account_code.as_str());
            }
            Self::Database(_) => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database(source) => Some(source),
            _ => None,
        }
    }
}

impl Refusal for CurrencyError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::Taken { code, exponent } => {
                details.set("currency", code.as_str());
                details.set("exponent", *exponent);
            }
            Self::NotFound { code } => details.set("currency", code.as_str()),
            Self::Database(_) => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database(source) => Some(source),
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

impl Refusal for UpdateAccountError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::NotFound { account } => details.set("account", account.to_string()),
            Self::RevisionConflict {
                account_id,
                account_code,
                expected,
                actual,
            } => {
                account(details, *account_id, account_code);
                int64(details, "expected", *expected);
                int64(details, "actual", *actual);
            }
            Self::LimitExceeded {
                account_id,
                account_code,
                currency,
                limit,
                beyond,
                posted,
                debits_pending,
                credits_pending,
            } => {
                account(details, *account_id, account_code);
                match limit {
                    Limit::Policy(policy) => {
                        details.set("field", "limitPolicy");
                        let policy = LimitPolicy::from(*policy);
                        let policy = async_graphql::resolver_utils::enum_value(policy);
                        details.set("limitPolicy", policy);
                    }
                    Limit::MinBalance(min) => {
                        details.set("field", "minBalance");
                        int64(details, "minBalance", *min);
                    }
                    Limit::MaxBalance(max) => {
                        details.set("field", "maxBalance");
                        int64(details, "maxBalance", *max);
                    }
                }
                details.set("currency", currency.as_str());
                int64(details, "beyond", *beyond);
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

impl Refusal for CloseBooksError {
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
            Self::Input(_) => None,
        }
    }
}

impl Refusal for WebhookError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::AccountNotFound(refusal) => refusal.details(details),
            Self::NotFound { id } => details.set("webhookId", id.as_str()),
            Self::NoDeadLetter { cursor } => {
                details.set("field", "cursors");
                details.set("cursor", cursor.to_string());
            }
            Self::Database(_) => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Database(source) => Some(source),
            _ => None,
        }
    }
}
