//! Which error to use where:
//!
//! - [`ConnectError`]: a [`Database`](crate::Database) cannot be opened. For the program that starts.
//! - [`UnitError`]: a unit refuses a statement, or could not be committed. A resolver meets it inside a [`DbErr`],
//!   because that is what SeaORM's `ConnectionTrait` answers: [`UnitError::in_db_err`] finds it there.
//! - [`FailureKind`]: what a database error means for the transaction, told by its code and never by its text.
//! - `codes`: `extensions.code` of the errors that the extension itself adds to a response.

pub mod codes;
mod failure_kind;

use std::{sync::Arc, time::Duration};

use sea_orm::{DbErr, RuntimeErr};
use thiserror::Error;

pub use self::failure_kind::{FailureKind, violated_constraint};
pub(crate) use self::failure_kind::{driver_error, ends_session};
use crate::database::engine::{SCHEMES, failure};

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
