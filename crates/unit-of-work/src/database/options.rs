//! The options of a database's connections.

use std::time::Duration;

use sea_orm::IsolationLevel;

use crate::setters::setters;

/// How a [`Database`](crate::Database) connects. The defaults suit a server with a database beside it.
///
/// ```
/// use std::time::Duration;
/// use unit_of_work::DatabaseOptions;
///
/// let options = DatabaseOptions::default()
///     .max_connections(8)
///     .statement_timeout(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabaseOptions {
    /// The most connections of each pool, readers and writers. SQLite always has one writer. On PostgreSQL, up to two more are made, to
    /// stop statements that hang. Default: 16.
    pub max_connections: u32,
    /// How long an operation waits for a connection that others are using before it fails (`OVERLOADED`). For a database that cannot be
    /// reached, it waits until its deadline, or this long if it has none. Default: 5 seconds.
    pub acquire_timeout: Duration,
    /// How long it may take to make one connection. The first one, in [`Database::connect`](crate::Database::connect), is tried once.
    /// Default: 10 seconds.
    pub connect_timeout: Duration,
    /// PostgreSQL's `statement_timeout`: the server itself ends a statement that runs longer. Default: 30 seconds.
    pub statement_timeout: Duration,
    /// PostgreSQL's `idle_in_transaction_session_timeout`: the server itself ends a transaction whose client has gone silent. An operation
    /// with a shorter deadline has a shorter time-out. Default: 30 seconds.
    pub idle_in_transaction_timeout: Duration,
    /// SQLite's `busy_timeout`: how long to wait while another *process* writes. Default: 5 seconds.
    pub busy_timeout: Duration,
    /// How long a ROLLBACK may take; and how long after the operation's deadline (or after COMMIT was sent, without a deadline) to wait for
    /// the answer to COMMIT or to find out its outcome. Default: 10 seconds.
    pub finish_timeout: Duration,
    /// How long a look-up waits for a statement shared with others ([`SharedLookUp`](crate::SharedLookUp)) before it makes one of its own.
    /// Default: 100 milliseconds.
    pub look_up_patience: Duration,
    /// Whether mutations that wait for SQLite's one writer, or on PostgreSQL for the same rows
    /// ([`UnitOfWork::will_lock`](crate::UnitOfWork::will_lock)), run in one transaction, each in a savepoint, and share its COMMIT. Then all
    /// of them wait for the disk once. None is answered before that COMMIT. It needs a [`Retrying`](crate::Retrying) with more than one
    /// attempt, since each mutation is run again by itself if the COMMIT fails. A mutation for which no other waits commits alone, as
    /// without this option. Default: yes.
    pub share_commits: bool,
    /// How long a finished mutation waits for others that share its COMMIT. One that takes longer is undone, and runs again by itself. New
    /// ones are accepted during the first fifth of this time. Default: 50 milliseconds.
    pub commit_patience: Duration,
    /// The isolation level of the writer on PostgreSQL. Default: READ COMMITTED.
    pub writer_isolation: IsolationLevel,
    /// Whether everything only reads. A mutation is refused before it runs ([`READ_ONLY`](crate::codes::READ_ONLY)), and so is
    /// [`Database::write`](crate::Database::write) ([`UnitError::ReadOnlyDatabase`](crate::UnitError::ReadOnlyDatabase)). On PostgreSQL, a
    /// standby and a role that may only read are enough. On SQLite, the file is opened read-only; it must exist and have a write-ahead log,
    /// as every database has that this crate has written. Default: no.
    pub read_only: bool,
    /// PostgreSQL's `application_name`.
    pub application_name: String,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            finish_timeout: Duration::from_secs(10),
            look_up_patience: Duration::from_millis(100),
            share_commits: true,
            commit_patience: Duration::from_millis(50),
            writer_isolation: IsolationLevel::ReadCommitted,
            read_only: false,
            application_name: "unit-of-work".to_owned(),
        }
    }
}

setters!(DatabaseOptions {
    max_connections: u32,
    acquire_timeout: Duration,
    connect_timeout: Duration,
    statement_timeout: Duration,
    idle_in_transaction_timeout: Duration,
    busy_timeout: Duration,
    finish_timeout: Duration,
    look_up_patience: Duration,
    share_commits: bool,
    commit_patience: Duration,
    writer_isolation: IsolationLevel,
    read_only: bool,
});

impl DatabaseOptions {
    /// Sets [`DatabaseOptions::application_name`](#structfield.application_name).
    #[must_use]
    pub fn application_name(mut self, application_name: impl Into<String>) -> Self {
        self.application_name = application_name.into();
        self
    }
}
