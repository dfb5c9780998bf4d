//! What a database error means for the transaction it happened in, and which constraint it violated.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use super::UnitError;
use crate::database::{
    after_connect::HookError,
    engine::{failure, session::SessionError},
    health::Damaged,
};

/// What a database error means for the transaction it happened in.
///
/// ```
/// use sea_orm::DbErr;
/// use unit_of_work::FailureKind;
///
/// let kind = FailureKind::of(&DbErr::Custom("mine".to_owned()));
/// assert_eq!(kind, FailureKind::Other);
/// assert!(!kind.retryable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// A serialization failure, a deadlock, a lock that could not be taken, a busy database. The same operation may succeed when it runs
    /// again.
    Conflict,
    /// A unique, foreign-key, check or not-null constraint.
    Constraint,
    /// A write on a read-only unit.
    ReadOnly,
    /// A statement ran into `statement_timeout` or was cancelled.
    Timeout,
    /// No connection became free in time.
    NoConnection,
    /// The connection was lost. Its last statement may or may not have happened.
    ConnectionLost,
    /// No connection can be made now: nobody listens, a proxy has no server, or the server is starting, stopping or full, or accepts no
    /// writes although it should. Nothing has happened.
    Unavailable,
    /// The database is out of space or memory, or its disk fails.
    Full,
    /// A file of the SQLite database is not the one that is open: it was deleted, moved, replaced or overwritten. Nothing has
    /// happened.
    FileReplaced,
    /// The database's own files are damaged.
    Damaged,
    /// Anything else: a mistake in a statement, a login that is refused.
    Other,
}

impl FailureKind {
    /// Classifies an error, by the engines' codes.
    #[must_use]
    pub fn of(error: &DbErr) -> Self {
        match UnitError::in_db_err(error) {
            Some(UnitError::CommitFailed(failure)) => return failure.kind,
            // The unit's own refusal. It is not a lost connection, whatever type carries it.
            Some(_) => return Self::Other,
            None => {}
        }
        match error {
            DbErr::ConnectionAcquire(
                ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed,
            ) => Self::NoConnection,
            error => match driver_error(error).map_or(Self::Other, Self::of_driver) {
                // The connection was lost while it was made, so nothing can have happened on it.
                Self::ConnectionLost if matches!(error, DbErr::Conn(_)) => Self::Unavailable,
                kind => kind,
            },
        }
    }

    /// Whether the same operation may succeed when it is run again.
    #[must_use]
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::NoConnection
                | Self::Unavailable
                | Self::Full
                | Self::FileReplaced
        )
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Conflict => "CONFLICT",
            Self::Constraint => "CONSTRAINT",
            Self::ReadOnly => "READ_ONLY",
            Self::Timeout => "TIMEOUT",
            Self::NoConnection => "NO_CONNECTION",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::Unavailable => "UNAVAILABLE",
            Self::Full => "FULL",
            Self::FileReplaced => "FILE_REPLACED",
            Self::Damaged => "DAMAGED",
            Self::Other => "OTHER",
        }
    }

    pub(crate) fn of_driver(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => failure::kind(&**error),
            sqlx::Error::Configuration(_) => match SessionError::in_driver_error(error) {
                Some(SessionError::TakesNoWrites(_) | SessionError::NoServer { .. }) => {
                    Self::Unavailable
                }
                Some(_) => Self::Other,
                None if Damaged::is_driver_error(error) => Self::Damaged,
                None => HookError::in_driver_error(error)
                    .map_or_else(|| failure::kind_of_own(error), HookError::kind),
            },
            // Our own error for a database that still counts as full.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Self::Full,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::NoConnection,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::ConnectionLost,
            _ => Self::Other,
        }
    }
}

/// Whether the server has ended the session with this error.
pub(crate) fn ends_session(error: &DbErr) -> bool {
    driver_error(error)
        .and_then(sqlx::Error::as_database_error)
        .is_some_and(failure::ends_session)
}

/// The driver's own error inside SeaORM's.
pub(crate) fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// The name of the constraint that a database error violated, to tell one constraint from another. `None` for another error, and for a
/// constraint that the engine does not name.
///
/// | engine | UNIQUE, primary key | CHECK | foreign key | NOT NULL |
/// |---|---|---|---|---|
/// | PostgreSQL | its name | its name | its name | `person.name` |
/// | SQLite | its columns: `person.name`, or `person.first, person.last` | its name, or its expression | not named | `person.name` |
/// | MariaDB | its name; a primary key's is `PRIMARY`, whatever its table | its name | its name | `name` |
///
/// ```
/// use sea_orm::DbErr;
/// use unit_of_work::violated_constraint;
///
/// fn is_taken(error: &DbErr) -> bool {
///     // On PostgreSQL, and on SQLite.
///     matches!(violated_constraint(error).as_deref(), Some("person_name_key" | "person.name"))
/// }
/// assert!(!is_taken(&DbErr::Custom("mine".to_owned())));
/// ```
#[must_use]
pub fn violated_constraint(error: &DbErr) -> Option<String> {
    failure::constraint(driver_error(error)?.as_database_error()?)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    /// Whatever breaks while a connection is made has lost nothing, and on one that is used it may have.
    #[test]
    fn connecting_is_told_from_what_is_under_way() {
        for kind in [
            ErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset,
            ErrorKind::ConnectionAborted,
            ErrorKind::BrokenPipe,
            ErrorKind::UnexpectedEof,
            ErrorKind::TimedOut,
            ErrorKind::NotConnected,
            ErrorKind::HostUnreachable,
            // A name that cannot be resolved has no kind of its own.
            ErrorKind::Other,
        ] {
            let error = || RuntimeErr::SqlxError(sqlx::Error::Io(Error::from(kind)).into());
            let (made, used) = (DbErr::Conn(error()), DbErr::Query(error()));
            assert_eq!(FailureKind::of(&made), FailureKind::Unavailable, "{kind}");
            assert_eq!(
                FailureKind::of(&used),
                FailureKind::ConnectionLost,
                "{kind}"
            );
        }
        let no_server = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".into());
        let no_server = DbErr::Conn(RuntimeErr::SqlxError(no_server.into()));
        assert_eq!(FailureKind::of(&no_server), FailureKind::Unavailable);
    }
}
