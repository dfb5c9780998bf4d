//! What the client hears: the response of the resolvers, corrected by what happened to the unit.
//!
//! The text of a database error is never for clients. An error that a resolver passed on as a `DbErr` is answered with a
//! fixed message and a code; where it is nobody's business but the operator's, with an id that the log has too.

use std::any::Any;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use sea_orm::DbErr;
use uuid::Uuid;

use crate::{
    FailureKind, UnitError, UnitOfWork,
    error::{CommitFailure, codes},
    unit::{Outcome, Reason},
};

/// A query's or an event's response: partial data stands, database errors are masked.
pub(crate) fn read(mut response: Response) -> Response {
    response.errors.iter_mut().for_each(mask);
    response
}

/// A mutation's response: whatever was not committed is not shown.
pub(crate) fn written(mut response: Response, outcome: &Outcome, unit: &UnitOfWork) -> Response {
    let doom = unit.doom();
    let added = match outcome {
        Outcome::Committed | Outcome::Read | Outcome::Replayed => return response,
        Outcome::Untouched if response.errors.is_empty() => return response,
        Outcome::CommitFailed(failure) => Some(commit_failed(failure)),
        Outcome::Unknown => Some(outcome_unknown()),
        // If the resolvers have said what failed, the deadline that passed while it was rolled back is no news.
        Outcome::RolledBack(Reason::Deadline) if response.errors.is_empty() => {
            Some(deadline_error())
        }
        // Whatever the resolvers made of it: this is why.
        Outcome::RolledBack(_) if doom == Some(FailureKind::Conflict) => {
            response.errors.clear();
            Some(conflict())
        }
        Outcome::RolledBack(_) if response.errors.is_empty() => Some(match unit.rollback_only() {
            Some(reason) if doom.is_none() => rollback_only(reason),
            _ => doomed(doom),
        }),
        Outcome::Untouched | Outcome::RolledBack(_) => None,
    };
    let mut errors = std::mem::take(&mut response.errors);
    errors.iter_mut().for_each(mask);
    errors.extend(added);
    // A fresh response: data, the resolvers' headers and their cache hints are gone.
    let mut rolled_back = Response::from_errors(errors);
    rolled_back.extensions = response.extensions;
    rolled_back
}

/// The response of a mutation that would have been committed: what it shows did not happen, so no header goes out.
pub(crate) fn dry_run(response: Response) -> Response {
    let mut shown = Response::new(response.data);
    shown.extensions = response.extensions;
    shown
        .extensions
        .insert("dryRun".to_owned(), Value::from(true));
    shown
}

pub(crate) fn deadline_exceeded() -> Response {
    Response::from_errors(vec![deadline_error()])
}

pub(crate) fn panicked(panic: &Box<dyn Any + Send>) -> Response {
    let id = Uuid::new_v4();
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    tracing::error!(error.id = %id, panic = message, "a resolver panicked");
    Response::from_errors(vec![internal(id)])
}

/// Hides a database error behind a fixed message.
pub(crate) fn mask(error: &mut ServerError) {
    let Some(source) = error.source::<DbErr>() else {
        return;
    };
    let shown = match FailureKind::of(source) {
        FailureKind::Conflict => conflict(),
        FailureKind::NoConnection => overloaded(),
        FailureKind::Timeout => deadline_error(),
        _ if UnitError::in_db_err(source) == Some(&UnitError::Doomed) => doomed(None),
        _ if UnitError::in_db_err(source) == Some(&UnitError::SavepointFailed) => coded(
            "This part of the operation was undone, because a database statement in it failed or was abandoned.",
            codes::UNIT_DOOMED,
            false,
        ),
        _ => {
            let id = Uuid::new_v4();
            tracing::error!(error.id = %id, error = %source, "a resolver met a database error");
            internal(id)
        }
    };
    error.message = shown.message;
    // What a resolver declared stands: a code is a promise to clients.
    error.extensions = error.extensions.take().or(shown.extensions);
}

fn internal(id: Uuid) -> ServerError {
    let mut error = coded(
        "Something went wrong on the server. The server's log has the cause under this error's id.",
        codes::INTERNAL,
        false,
    );
    extend(&mut error, "id", id.to_string());
    error
}

fn conflict() -> ServerError {
    coded(
        "The operation conflicted with another one and was rolled back. Run it again.",
        codes::CONFLICT_RETRIES_EXHAUSTED,
        true,
    )
}

fn overloaded() -> ServerError {
    coded(
        "No database connection was available in time. Try again later.",
        codes::OVERLOADED,
        true,
    )
}

fn doomed(doom: Option<FailureKind>) -> ServerError {
    match doom {
        Some(FailureKind::Conflict) => conflict(),
        Some(FailureKind::NoConnection) => overloaded(),
        Some(FailureKind::Timeout) => deadline_error(),
        _ => coded(
            "The operation was rolled back, because a database statement in it failed or was abandoned.",
            codes::UNIT_DOOMED,
            false,
        ),
    }
}

fn commit_failed(failure: &CommitFailure) -> ServerError {
    if failure.kind == FailureKind::Conflict {
        return conflict();
    }
    if failure.kind == FailureKind::ConnectionLost {
        return coded(
            "The connection to the database was lost during COMMIT, and nothing of the operation happened. Run it again.",
            codes::COMMIT_FAILED,
            true,
        );
    }
    let mut error = coded(
        "The database refused to commit the operation; nothing of it happened.",
        codes::COMMIT_FAILED,
        failure.kind.retryable(),
    );
    if let Some(constraint) = &failure.constraint {
        extend(&mut error, "constraint", constraint.clone());
    }
    error
}

fn rollback_only(reason: &str) -> ServerError {
    coded(reason, codes::ROLLBACK_ONLY, false)
}

fn outcome_unknown() -> ServerError {
    coded(
        "The connection to the database was lost during COMMIT. Look whether the operation happened before you run it again.",
        codes::OUTCOME_UNKNOWN,
        false,
    )
}

fn deadline_error() -> ServerError {
    coded(
        "The operation took longer than its deadline, and was rolled back.",
        codes::DEADLINE_EXCEEDED,
        true,
    )
}

/// An operation of which nobody can tell whether it may write.
pub(crate) fn unknown_kind() -> ServerError {
    coded(
        "The server cannot tell whether this operation is a query, a mutation or a subscription, so nothing of it was run: \
         an extension has supplied the document without asking the unit of work, which has to be registered before it.",
        codes::OPERATION_KIND_UNKNOWN,
        false,
    )
}

/// What async-graphql answers where a subscription cannot have a stream.
pub(crate) fn no_subscription() -> ServerError {
    ServerError::new("Subscriptions are not supported on this transport.", None)
}

pub(crate) fn coded(message: &str, code: &str, retryable: bool) -> ServerError {
    let mut error = ServerError::new(message, None);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    extensions.set("retryable", retryable);
    error.extensions = Some(extensions);
    error
}

fn extend(error: &mut ServerError, name: &str, value: String) {
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set(name, value);
}
