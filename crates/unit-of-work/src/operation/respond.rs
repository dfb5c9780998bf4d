//! The response for the client: the resolvers' response, corrected by the unit's outcome.
//!
//! It never has the text of a database error: [`mask`](crate::operation::mask) decides which errors those are.

use std::any::Any;

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};
use uuid::Uuid;

use crate::{
    FailureKind, UnitOfWork,
    consistency::reading,
    error::{CommitFailure, codes},
    operation::failures::{Failure, Failures},
    unit::{Answer, Outcome, Told},
};

/// A mutation's response: it shows nothing that was not committed.
pub(crate) fn written(response: Response, outcome: &Outcome, unit: &UnitOfWork) -> Response {
    let answer = unit.fate().answer(outcome, response.is_err());
    told(response, answer, outcome, unit)
}

/// Corrects a response as `answer` says.
pub(crate) fn told(
    mut response: Response,
    answer: Answer,
    outcome: &Outcome,
    unit: &UnitOfWork,
) -> Response {
    let added = match answer {
        Answer::AsItIs => return response,
        Answer::Errors(added) => added,
        Answer::Only(told) => {
            response.errors.clear();
            unit.failures().unshow();
            Some(told)
        }
    };
    let added = added.map(|told| tell(told, outcome, unit));
    let mut errors = std::mem::take(&mut response.errors);
    errors.extend(added);
    // A fresh response: data, the resolvers' headers and their cache hints are gone.
    let mut rolled_back = Response::from_errors(errors);
    rolled_back.extensions = response.extensions;
    rolled_back
}

fn tell(told: Told, outcome: &Outcome, unit: &UnitOfWork) -> ServerError {
    match (told, outcome) {
        (Told::CommitFailed, Outcome::CommitFailed(failure)) => commit_failed(failure, unit),
        (Told::OutcomeUnknown, _) => outcome_unknown(),
        (Told::Deadline, _) => deadline_error(),
        (Told::Conflict, _) => conflict(),
        (Told::Unavailable, _) => unavailable(unit.failures().show_cause()),
        (Told::RollbackOnly, _) => rollback_only(unit.rollback_only().unwrap_or_default()),
        (Told::Doomed | Told::CommitFailed, _) => doomed(unit),
    }
}

/// The response of a dry run that would have been committed. It did not happen, so the resolvers' headers are removed.
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

pub(crate) fn internal(id: Uuid) -> ServerError {
    with_id(
        coded(
            "Something went wrong on the server. The server's log has the cause under this error's id.",
            codes::INTERNAL,
            false,
        ),
        id,
    )
}

fn with_id(mut error: ServerError, id: Uuid) -> ServerError {
    extend(&mut error, "id", id.to_string());
    error
}

pub(crate) fn conflict() -> ServerError {
    coded(
        "The operation conflicted with another one and was rolled back. Run it again.",
        codes::CONFLICT_RETRIES_EXHAUSTED,
        true,
    )
}

/// The error if the database was lost or could not be reached. The log has the cause under this id.
pub(crate) fn unavailable(id: Uuid) -> ServerError {
    with_id(
        coded(
            "The database cannot be reached now, and nothing of the operation happened. Run it again later.",
            codes::DATABASE_UNAVAILABLE,
            true,
        ),
        id,
    )
}

/// The error if the database has no room left. The log has the cause under this id.
pub(crate) fn full(id: Uuid) -> ServerError {
    with_id(
        coded(
            "The database has no room left, and nothing of the operation happened. The server's log has the cause under this error's id.",
            codes::DATABASE_FULL,
            true,
        ),
        id,
    )
}

/// The error if a file of the database is not the one that is open. The log says which under this id.
pub(crate) fn file_replaced(id: Uuid) -> ServerError {
    with_id(
        coded(
            "A file of the server's database was deleted, moved or replaced, and nothing of the operation happened. Run it again after the server was started again.",
            codes::DATABASE_FILE_REPLACED,
            true,
        ),
        id,
    )
}

/// The error if the database's files are damaged. The log has the cause under this id.
pub(crate) fn damaged(id: Uuid) -> ServerError {
    with_id(
        coded(
            "The database is damaged, and nothing of the operation happened. The server's log has the cause under this error's id.",
            codes::DATABASE_DAMAGED,
            false,
        ),
        id,
    )
}

pub(crate) fn overloaded() -> ServerError {
    coded(
        "No database connection was available in time. Try again later.",
        codes::OVERLOADED,
        true,
    )
}

/// The error of a doomed unit, if no field has reported why.
fn doomed(unit: &UnitOfWork) -> ServerError {
    let failures = unit.failures();
    if let Some(told) = token_refused(failures) {
        return told;
    }
    match unit.doom() {
        Some(FailureKind::Conflict) => conflict(),
        Some(FailureKind::ConnectionLost | FailureKind::Unavailable) => {
            unavailable(failures.show_cause())
        }
        Some(FailureKind::Full) => full(failures.show_cause()),
        Some(FailureKind::FileReplaced) => file_replaced(failures.show_cause()),
        Some(FailureKind::Damaged) => damaged(failures.show_cause()),
        Some(FailureKind::NoConnection) => overloaded(),
        Some(FailureKind::Timeout) => match failures.cause() {
            Some(failure) => timed_out(failures, &failure),
            None => deadline_error(),
        },
        _ => doomed_by(failures.show_cause()),
    }
}

/// The error of a statement that was refused because something had failed before.
pub(crate) fn doomed_before(failures: &Failures) -> ServerError {
    if let Some(told) = token_refused(failures) {
        return told;
    }
    let id = failures.show_cause();
    match failures.cause().map(|cause| cause.kind) {
        // As the error of the field in which it failed.
        Some(FailureKind::ConnectionLost | FailureKind::Unavailable) => unavailable(id),
        Some(FailureKind::FileReplaced) => file_replaced(id),
        _ => doomed_by(id),
    }
}

/// The error if the client's token was refused, which failed everything that came after.
pub(crate) fn token_refused(failures: &Failures) -> Option<ServerError> {
    reading::told(&failures.cause()?.refusal?)
}

/// The error if something failed before. The log has the cause under this id.
fn doomed_by(id: Uuid) -> ServerError {
    with_id(
        coded(
            "The operation was rolled back, because a database statement in it failed or was abandoned.",
            codes::UNIT_DOOMED,
            false,
        ),
        id,
    )
}

/// As [`doomed_by`], for a savepoint.
pub(crate) fn part_undone(id: Uuid) -> ServerError {
    with_id(
        coded(
            "This part of the operation was undone, because a database statement in it failed or was abandoned.",
            codes::UNIT_DOOMED,
            false,
        ),
        id,
    )
}

/// The error of a statement that the database ended, because of the operation's deadline or a limit of its own.
pub(crate) fn timed_out(failures: &Failures, failure: &Failure) -> ServerError {
    if failure.is_late {
        return deadline_error();
    }
    with_id(
        coded(
            "A database statement of the operation took longer than it may, or waited too long for a lock. Try again later.",
            codes::STATEMENT_TIMEOUT,
            true,
        ),
        failures.show(failure),
    )
}

fn commit_failed(failure: &CommitFailure, unit: &UnitOfWork) -> ServerError {
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
    match failure.kind {
        FailureKind::Full => return full(unit.failures().show_cause()),
        FailureKind::Damaged => return damaged(unit.failures().show_cause()),
        _ => {}
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
        "The operation was to be committed, and it is not known whether it was. Look whether it happened before you run it again.",
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

/// The error of an operation whose kind is not known.
pub(crate) fn unknown_kind() -> ServerError {
    coded(
        "The server cannot tell whether this operation is a query, a mutation or a subscription, so nothing of it was run: \
         an extension has supplied the document without asking the unit of work, which has to be registered before it.",
        codes::OPERATION_KIND_UNKNOWN,
        false,
    )
}

/// The error that async-graphql has for a subscription on a transport without streams.
pub(crate) fn no_subscription() -> ServerError {
    ServerError::new("Subscriptions are not supported on this transport.", None)
}

/// A mutation on a database that only reads.
pub(crate) fn read_only() -> ServerError {
    coded(
        "This server only reads, so nothing of the operation was run.",
        codes::READ_ONLY,
        false,
    )
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
