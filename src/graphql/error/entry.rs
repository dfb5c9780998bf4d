//! Errors of the verbs that write entries.

use async_graphql::{ErrorExtensionValues, ScalarType as _, Value};
use sea_orm::DbErr;

use super::{account, int64, problem};
use crate::{
    graphql::{
        input::BalanceKind,
        object::{AccountStatus, EntryKind},
        refusal::Refusal,
        scalars::DateTime,
    },
    ledger::{
        AnnotateEntryError, Code, EntryRef, HoldError, Id, PostEntriesError, PostEntryError,
        RemainingExceeded, ReverseEntryError,
    },
};

fn entry(details: &mut ErrorExtensionValues, name: &str, id: uuid::Uuid) {
    details.set(name, Id::Entry(id).to_string());
}

fn kind(details: &mut ErrorExtensionValues, name: &str, kind: daybook_entity::EntryKind) {
    let kind = EntryKind::from(kind);
    details.set(name, async_graphql::resolver_utils::enum_value(kind));
}

fn remaining(details: &mut ErrorExtensionValues, exceeded: &RemainingExceeded) {
    details.set("field", exceeded.field.as_str());
    entry(details, "entryId", exceeded.entry_id);
    int64(details, "remaining", exceeded.remaining);
    int64(details, "requested", exceeded.requested);
}

impl Refusal for PostEntryError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::AccountNotFound { field, account } => {
                details.set("field", field.as_str());
                details.set("account", account.to_string());
            }
            Self::Several { first, others } => {
                first.details(details);
                // Of the problems of one input, those that are in one error themselves come one by one.
                let all = std::iter::once(&**first).chain(others);
                details.set("problems", Value::List(all.map(problem).collect()));
            }
            Self::AccountNotOpen {
                account_id,
                account_code,
                status,
            } => {
                account(details, *account_id, account_code);
                let status = AccountStatus::from(*status);
                details.set("status", async_graphql::resolver_utils::enum_value(status));
            }
            Self::CurrencyMismatch {
                line,
                account_id,
                account_code,
                account_currency,
                line_currency,
            } => {
                account(details, *account_id, account_code);
                details.set("field", format!("lines[{line}].currency"));
                details.set("accountCurrency", account_currency.as_str());
                details.set("lineCurrency", line_currency.as_str());
            }
            Self::CrossesLedgers {
                line,
                account_id,
                account_code,
                account_ledger,
                entry_ledger,
            } => {
                account(details, *account_id, account_code);
                details.set("field", format!("lines[{line}]"));
                details.set("accountLedger", account_ledger.clone());
                details.set("entryLedger", entry_ledger.clone());
            }
            Self::InsufficientFunds {
                account_id,
                account_code,
                currency,
                min_balance,
                available,
                requested,
            } => {
                account(details, *account_id, account_code);
                details.set("currency", currency.as_str());
                if let Some(min_balance) = min_balance {
                    int64(details, "minBalance", *min_balance);
                }
                int64(details, "available", *available);
                int64(details, "requested", *requested);
            }
            Self::LimitExceeded {
                account_id,
                account_code,
                currency,
                max_balance,
                room,
                requested,
            } => {
                account(details, *account_id, account_code);
                details.set("currency", currency.as_str());
                int64(details, "maxBalance", *max_balance);
                int64(details, "room", *room);
                int64(details, "requested", *requested);
            }
            Self::ConditionNotMet(unmet) => {
                details.set("field", unmet.field.as_str());
                account(details, unmet.account_id, &unmet.account_code);
                details.set("currency", unmet.currency.as_str());
                let balance = BalanceKind::from(unmet.balance);
                let balance = async_graphql::resolver_utils::enum_value(balance);
                details.set("balance", balance);
                for (name, bound) in [("atLeast", unmet.at_least), ("atMost", unmet.at_most)] {
                    if let Some(bound) = bound {
                        int64(details, name, bound);
                    }
                }
                int64(details, "actual", unmet.actual);
            }
            Self::VersionConflict {
                account_id,
                account_code,
                expected,
                actual,
            } => {
                account(details, *account_id, account_code);
                int64(details, "expected", *expected);
                int64(details, "actual", *actual);
            }
            Self::PeriodClosed {
                account_id,
                account_code,
                code_prefix,
                closed_until,
                effective_at,
            } => {
                account(details, *account_id, account_code);
                details.set("field", "effectiveAt");
                if !code_prefix.is_empty() {
                    details.set("codePrefix", code_prefix.as_str());
                }
                details.set("closedUntil", DateTime(*closed_until).to_value());
                details.set("effectiveAt", DateTime(*effective_at).to_value());
            }
            Self::ReferenceTaken {
                reference,
                entry_id,
                differs,
            } => {
                details.set("field", "reference");
                details.set("reference", reference.as_str());
                entry(details, "entryId", *entry_id);
                details.set("differs", differs.clone());
            }
            Self::AmountOutOfRange {
                account_id,
                account_code,
            } => {
                account(details, *account_id, account_code);
            }
            Self::Accounts { .. } | Self::Database { .. } => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Accounts { source } | Self::Database { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Refusal for PostEntriesError {
    fn code(&self) -> Option<Code> {
        match self {
            Self::Entry { source, .. } => source.code(),
            Self::Input(input) => Some(input.code()),
            _ => None,
        }
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Entry { index, source } => {
                source.details(details);
                details.set("index", *index);
                if let Some(Value::String(field)) = details.get("field") {
                    let field = format!("inputs[{index}].{field}");
                    details.set("field", field);
                }
                if let Some(Value::List(mut problems)) = details.get("problems").cloned() {
                    for problem in &mut problems {
                        if let Value::Object(problem) = problem
                            && let Some(Value::String(field)) = problem.get_mut("field")
                        {
                            *field = format!("inputs[{index}].{field}");
                        }
                    }
                    details.set("problems", Value::List(problems));
                }
            }
            Self::Input(input) => input.details(details),
            _ => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Entry { source, .. } => source.into_database_error(),
            Self::Database(source) => Some(source),
            _ => None,
        }
    }
}

impl Refusal for HoldError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Post(error) => error.details(details),
            Self::NotFound { hold_id } => entry(details, "entryId", *hold_id),
            Self::NotAHold { hold_id, kind: is } => {
                details.set("field", "hold");
                entry(details, "entryId", *hold_id);
                kind(details, "kind", *is);
            }
            Self::AlreadyResolved { hold_id, by } => {
                entry(details, "holdId", *hold_id);
                entry(details, "resolvedBy", by.id);
                kind(details, "resolvedByKind", by.kind);
            }
            Self::Expired {
                hold_id,
                expired_at,
            } => {
                entry(details, "holdId", *hold_id);
                details.set("expiredAt", DateTime(*expired_at).to_value());
            }
            Self::Exceeded(exceeded) => remaining(details, exceeded),
            Self::Database { .. } => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Post(error) => error.into_database_error(),
            Self::Database { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Refusal for ReverseEntryError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Post(error) => error.details(details),
            Self::NotFound { entry_id } => entry(details, "entryId", *entry_id),
            Self::MovedNothing { entry_id, kind: is } => {
                details.set("field", "entry");
                entry(details, "entryId", *entry_id);
                kind(details, "kind", *is);
            }
            Self::AlreadyReversed {
                entry_id,
                reversed_by,
            } => {
                entry(details, "entryId", *entry_id);
                entry(details, "reversedBy", *reversed_by);
            }
            Self::Exceeded(exceeded) => remaining(details, exceeded),
            Self::Database { .. } => {}
        }
    }

    fn into_database_error(self) -> Option<DbErr> {
        match self {
            Self::Post(error) => error.into_database_error(),
            Self::Database { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Refusal for AnnotateEntryError {
    fn code(&self) -> Option<Code> {
        Self::code(self)
    }

    fn details(&self, details: &mut ErrorExtensionValues) {
        match self {
            Self::Input(input) => input.details(details),
            Self::NotFound {
                entry: EntryRef::Id(id),
            } => entry(details, "entryId", *id),
            Self::NotFound {
                entry: EntryRef::Reference(reference),
            } => details.set("reference", reference.as_str()),
            Self::KeysTaken { entry_id, keys } => {
                details.set("field", "metadata");
                entry(details, "entryId", *entry_id);
                details.set("keys", keys.clone());
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
