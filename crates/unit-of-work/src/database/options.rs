//! The options of a database's connections.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::{DbErr, IsolationLevel};

use super::{
    after_connect::{AfterConnect, NewConnection},
    driver_options::DriverOptions,
};
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
    /// The most connections of each pool, readers and writers. SQLite always has one writer. On PostgreSQL and MariaDB, up to two more for
    /// each server are made, to stop statements that hang, and (of PostgreSQL, for a list of servers) two to look up the outcome of a COMMIT.
    /// Default: 16.
    pub max_connections: u32,
    /// How long an operation waits for a connection that others are using before it fails (`OVERLOADED`). For a database that cannot be
    /// reached, it waits until its deadline, or this long if it has none. Default: 5 seconds.
    pub acquire_timeout: Duration,
    /// How long it may take to make one connection. The first one, in [`Database::connect`](crate::Database::connect), is tried once.
    /// Default: 10 seconds.
    pub connect_timeout: Duration,
    /// PostgreSQL's `statement_timeout`, and MariaDB's `max_statement_time`: the server itself ends a statement that runs longer. Default: 30
    /// seconds.
    pub statement_timeout: Duration,
    /// PostgreSQL's `idle_in_transaction_session_timeout`, and MariaDB's `idle_transaction_timeout` (in whole seconds): the server itself ends
    /// a transaction whose client has gone silent. An operation with a shorter deadline has a shorter time-out. Default: 30 seconds.
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
    /// The isolation level of the writer on PostgreSQL and MariaDB. Default: READ COMMITTED.
    pub writer_isolation: IsolationLevel,
    /// Whether everything only reads. A mutation is refused before it runs ([`READ_ONLY`](crate::codes::READ_ONLY)), and so is
    /// [`Database::write`](crate::Database::write) ([`UnitError::ReadOnlyDatabase`](crate::UnitError::ReadOnlyDatabase)). On PostgreSQL, a
    /// standby and a role that may only read are enough. On SQLite, the file is opened read-only; it must exist and have a write-ahead log,
    /// as every database has that this crate has written. Default: no.
    pub read_only: bool,
    /// PostgreSQL's standbys that queries may be read from. A query that shows a [`ConsistencyToken`](crate::ConsistencyToken) is sent to
    /// one that has what the token stands for, and to the primary if none has it in time. Everything else uses the primary. Default:
    /// none.
    ///
    /// Each server has a pool of its own. It must be of the same cluster, and the role needs `pg_read_all_stats`, without which a standby
    /// does not tell which primary it follows. A server that cannot be reached when the database is connected to is logged, and used
    /// when it can be reached.
    pub replicas: Vec<DriverOptions>,
    /// How long a query waits until a replica has what its token stands for, before it is sent to the primary. Default: 50 milliseconds.
    pub replica_wait: Duration,
    /// How far behind the primary a replica may be for a query that shows no token. It is never behind the last write of the same
    /// [`Viewer`](crate::Viewer) through this `Database`, or of all clients without one. `None`: such queries use the primary. Default:
    /// none.
    pub max_staleness: Option<Duration>,
    /// PostgreSQL's `application_name`, unless the URL, the driver's options or the environment (`PGAPPNAME`) name another.
    pub application_name: String,
    /// The hook for new connections.
    pub(super) after_connect: Option<AfterConnect>,
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
            replicas: Vec::new(),
            replica_wait: Duration::from_millis(50),
            max_staleness: None,
            application_name: "unit-of-work".to_owned(),
            after_connect: None,
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
    replica_wait: Duration,
});

impl DatabaseOptions {
    /// Sets [`DatabaseOptions::replicas`](#structfield.replicas). Each item names one server or several.
    ///
    /// ```
    /// use unit_of_work::DatabaseOptions;
    ///
    /// # fn main() -> Result<(), unit_of_work::ConnectError> {
    /// let options = DatabaseOptions::default().replicas(["postgres://app@two,three/app".parse()?]);
    /// # let _ = options; Ok(()) }
    /// ```
    #[must_use]
    pub fn replicas(mut self, replicas: impl IntoIterator<Item = DriverOptions>) -> Self {
        self.replicas = replicas.into_iter().collect();
        self
    }

    /// Sets [`DatabaseOptions::max_staleness`](#structfield.max_staleness).
    #[must_use]
    pub fn max_staleness(mut self, max_staleness: impl Into<Option<Duration>>) -> Self {
        self.max_staleness = max_staleness.into();
        self
    }

    /// Sets [`DatabaseOptions::application_name`](#structfield.application_name).
    #[must_use]
    pub fn application_name(mut self, application_name: impl Into<String>) -> Self {
        self.application_name = application_name.into();
        self
    }

    /// Sets a hook that has each new connection before it is used: to set `search_path` or a role, to register a collation, to look at a
    /// licence row. All connections on which units run are given to it, and those for [migrations](crate::Database) and for finding out
    /// the outcome of a COMMIT.
    ///
    /// What it sets stays for the life of the connection. A unit that changes its session has its connection closed, and the next one is
    /// given to the hook again. On PostgreSQL:
    ///
    /// - `SET search_path`, `SET ROLE`, and settings that the crate does not rely on are allowed. Orders to stop a statement are given as
    ///   the role that logged in.
    /// - `SET SESSION AUTHORIZATION` is refused.
    ///
    /// On SQLite, an attached database is refused: a COMMIT to several files is not atomic.
    ///
    /// After the hook, the session is checked as always: a setting that a unit of work relies on (isolation, access mode, time-outs,
    /// durability, foreign keys, journal mode) must be as it was. A transaction that the hook begins, it must end.
    ///
    /// A hook that sets for each operation what differs between operations is a mistake: a connection serves many. A tenant or a viewer
    /// belongs into [`SessionSettings`](crate::SessionSettings).
    ///
    /// ```
    /// use sea_orm::{ConnectionTrait, DbErr, Statement};
    /// use unit_of_work::DatabaseOptions;
    ///
    /// let options = DatabaseOptions::default().after_connect(|connection| {
    ///     Box::pin(async move {
    ///         let backend = connection.get_database_backend();
    ///         let licence = Statement::from_string(backend, "SELECT 1 FROM licence WHERE ends > CURRENT_DATE");
    ///         match connection.query_one_raw(licence).await? {
    ///             Some(_) => Ok(()),
    ///             None => Err(DbErr::Custom("the licence has ended".to_owned())),
    ///         }
    ///     })
    /// });
    /// # let _ = options;
    /// ```
    ///
    /// # Errors
    /// An error of the hook refuses the connection, as does a panic, and a hook that takes longer than
    /// [`connect_timeout`](Self::connect_timeout) allows for the whole connection. [`Database::connect`](crate::Database::connect) answers
    /// with [`ConnectError::AfterConnect`](crate::ConnectError::AfterConnect). Later, an operation waits for another connection until its
    /// deadline if the error is one that may pass (the connection was lost, the server is starting), and otherwise fails with it.
    ///
    /// # Cancel safety
    /// The hook's future is dropped, with its connection, where the time is up or the operation that wanted the connection is dropped.
    #[must_use]
    pub fn after_connect<F>(mut self, hook: F) -> Self
    where
        F: for<'c> Fn(NewConnection<'c>) -> BoxFuture<'c, Result<(), DbErr>>
            + Send
            + Sync
            + 'static,
    {
        self.after_connect = Some(AfterConnect::new(hook));
        self
    }
}
