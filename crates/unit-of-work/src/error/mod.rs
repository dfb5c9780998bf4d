//! Which error to use where:
//!
//! - [`ConnectError`]: a [`Database`](crate::Database) cannot be opened. For the program that starts.
//! - [`UnitError`]: a unit refuses a statement, or could not be committed. A resolver meets it inside a [`DbErr`],
//!   because that is what SeaORM's `ConnectionTrait` answers: [`UnitError::in_db_err`] finds it there.
//! - [`FailureKind`]: what a database error means for the transaction, told by its code and never by its text.
//! - `codes`: `extensions.code` of the errors that the extension itself adds to a response.

pub mod codes;

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use thiserror::Error;

use crate::database::{
    after_connect::HookError,
    engine::{SCHEMES, failure, session::SessionError},
    health::Damaged,
};

/// A database could not be opened.
///
/// ```no_run
/// # async fn example() {
/// use unit_of_work::{ConnectError, Database, DatabaseOptions};
///
/// match Database::connect("sqlite://app.db", DatabaseOptions::default()).await {
///     Err(ConnectError::Timeout { after }) => println!("no answer within {after:?}"),
///     Err(error) => println!("{error}"),
///     Ok(database) => database.close().await,
/// }
/// # }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL names an engine that is not supported.
    #[error("`{scheme}` is no supported database: use {SCHEMES}")]
    UnsupportedScheme {
        /// What stood before the colon.
        scheme: String,
    },
    /// The URL has a supported scheme, but is not valid.
    #[error("the database URL is not valid")]
    InvalidUrl {
        /// What is wrong with it.
        source: Box<DbErr>,
    },
    /// SQLite in memory has neither snapshots nor a second connection.
    #[error(
        "SQLite must be a file: a database in memory has no write-ahead log, hence no snapshots"
    )]
    InMemory,
    /// The first connection failed.
    #[error("the database cannot be opened")]
    Open {
        /// What the database, its driver or the network says.
        source: Box<DbErr>,
    },
    /// A connection was made, but its session has a wrong setting, so the contract would not hold.
    #[error("{problem}")]
    Session {
        /// The setting, its value, the value that it should have, and what usually changes it.
        problem: String,
    },
    /// The URL or the driver's options ask for something that a unit of work cannot have.
    #[error("{problem}")]
    Refused {
        /// What was asked for, and what to do.
        problem: String,
    },
    /// The URL or the driver's options ask for TLS, and the program was built without.
    #[error(
        "the connection is to use TLS, and this program was built without: switch on one of the features `tls-rustls-ring`, \
         `tls-rustls-aws-lc` and `tls-native` of unit-of-work"
    )]
    TlsMissing,
    /// The hook of [`DatabaseOptions::after_connect`](crate::DatabaseOptions::after_connect) has not let the first connection through.
    #[error("{problem}")]
    AfterConnect {
        /// What became of the hook.
        problem: String,
        /// Its error, if it has returned one.
        source: Option<Box<DbErr>>,
    },
    /// One server of a list is not as it should be.
    #[error("the server {server}: {source}")]
    Server {
        /// Its host and port, or its socket.
        server: String,
        /// What is the matter with it.
        source: Box<Self>,
    },
    /// The first connection took too long.
    #[error("the database did not answer within {after:?}")]
    Timeout {
        /// How long the connection was waited for.
        after: Duration,
    },
}

/// A unit of work refuses, or could not be committed.
///
/// ```
/// use sea_orm::DbErr;
/// use unit_of_work::UnitError;
///
/// let error: DbErr = UnitError::OutcomeUnknown.into();
/// assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::OutcomeUnknown));
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitError {
    /// The operation is over, and this handle has outlived it.
    #[error(
        "the unit of work is finished: its operation is over, and a handle that outlives it cannot be used"
    )]
    Finished,
    /// An earlier statement failed or was abandoned: the unit can only be rolled back.
    #[error(
        "the unit of work is doomed: an earlier statement failed, and the operation will be rolled back"
    )]
    Doomed,
    /// A statement failed or was abandoned in this savepoint. The savepoint can only be rolled back; then its unit goes on.
    #[error(
        "the savepoint can only be rolled back: a statement in it failed, was abandoned or was refused"
    )]
    SavepointFailed,
    /// The unit, or a savepoint, was used inside a savepoint of its own, for which it would have to wait.
    #[error(
        "a unit of work cannot be used inside its own savepoint: use the savepoint that the body was given"
    )]
    InsideSavepoint,
    /// A transaction of SeaORM was begun inside a unit with options that a savepoint cannot have: a stricter isolation level, or another
    /// access mode than the unit's.
    #[error(
        "a transaction inside a unit of work is a savepoint and has the terms of its unit: {asked} cannot be had"
    )]
    SavepointTerms {
        /// The option.
        asked: String,
    },
    /// A second statement arrived on a unit that runs without a transaction. The operation runs again in a transaction.
    #[error("the query makes more than one statement, and is run again on one snapshot")]
    SnapshotNeeded,
    /// A statement would begin, end, divide or change the transaction. It was not sent, and the unit is doomed, since leaving the statement
    /// out must not go unnoticed.
    #[error(
        "{statement} is not for a statement of a unit of work, which begins and ends its transaction itself: a savepoint \
         is what part of it can be undone with, set_rollback_only what undoes all, and Isolation sets the level"
    )]
    TransactionControl {
        /// Its keyword.
        statement: &'static str,
    },
    /// The operation sees only some rows ([`SessionSettings::rows`](crate::SessionSettings::rows)), and a statement could see others, or a
    /// condition cannot be held to. Nothing was sent, and the unit is doomed.
    #[error("the operation sees only some rows, and cannot be held to that: {problem}")]
    RowsRefused {
        /// What is the matter with the statement, or with the condition.
        problem: String,
    },
    /// The database was connected with [`DatabaseOptions::read_only`](crate::DatabaseOptions::read_only), so nothing may write on it.
    #[error("the database was connected read-only: nothing may write on it")]
    ReadOnlyDatabase,
    /// The work outside of an operation took longer than [`UnitTerms::deadline`](crate::UnitTerms::deadline), and was rolled back.
    #[error("the work took longer than its deadline, and was rolled back")]
    DeadlineExceeded,
    /// The work outside of an operation asked for its own rollback.
    #[error("the work asked to be rolled back: {reason}")]
    RollbackOnly {
        /// What it said.
        reason: String,
    },
    /// The database refused COMMIT; nothing happened.
    #[error("COMMIT failed, and everything was rolled back")]
    CommitFailed(CommitFailure),
    /// COMMIT was not answered, or its answer cannot be relied on: the connection was lost, the database was silent, its disk failed, or a
    /// file of it was replaced.
    #[error("it is not known whether COMMIT happened")]
    OutcomeUnknown,
    /// The [`ConsistencyToken`](crate::ConsistencyToken) that was shown is one of another database system.
    #[error("the consistency token was given by another database system")]
    ConsistencyTokenInvalid,
    /// Another server has taken over since the [`ConsistencyToken`](crate::ConsistencyToken) was given, and it is not known whether it has
    /// what the token stands for.
    #[error(
        "a failover came after the consistency token was given: what it stands for may be gone"
    )]
    ConsistencyLost,
}

impl UnitError {
    /// The unit's error inside a database error, if it is one.
    #[must_use]
    pub fn in_db_err(error: &DbErr) -> Option<&Self> {
        match driver_error(error)? {
            sqlx::Error::Io(io) => io.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

impl From<UnitError> for DbErr {
    fn from(error: UnitError) -> Self {
        // This is the only variant of SeaORM's error that can carry another type.
        let io = std::io::Error::other(error);
        Self::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(io))))
    }
}

/// Why the database refused COMMIT.
///
/// ```
/// use unit_of_work::UnitError;
///
/// fn is_taken(error: &sea_orm::DbErr) -> bool {
///     match UnitError::in_db_err(error) {
///         Some(UnitError::CommitFailed(failure)) => failure.constraint.as_deref() == Some("person_name_unique"),
///         _ => false,
///     }
/// }
/// # let _ = is_taken;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitFailure {
    /// The kind of the failure.
    pub kind: FailureKind,
    /// The violated constraint, if the engine names it.
    pub constraint: Option<String>,
}

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

impl CommitFailure {
    pub(crate) fn of_db_err(error: &DbErr) -> Self {
        driver_error(error).map_or(
            Self {
                kind: FailureKind::Other,
                constraint: None,
            },
            Self::of,
        )
    }

    pub(crate) fn of(error: &sqlx::Error) -> Self {
        Self {
            kind: FailureKind::of_driver(error),
            constraint: error.as_database_error().and_then(failure::constraint),
        }
    }
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
