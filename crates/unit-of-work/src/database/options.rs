//! How a database is connected to.

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
    /// The most connections of each pool, a reader's and a writer's. SQLite's writer is always one. On PostgreSQL up to two more
    /// are made, to stop what hangs on the others. Default: 16.
    pub max_connections: u32,
    /// How long an operation may wait for others to give a connection back before it fails (`OVERLOADED`). For a database
    /// that cannot be reached it waits until its deadline, and only without one this long. Default: 5 seconds.
    pub acquire_timeout: Duration,
    /// How long one connection may take to be made; the first, in [`Database::connect`](crate::Database::connect), is tried once. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// PostgreSQL's `statement_timeout`: the server itself ends a statement that runs longer. Default: 30 seconds.
    pub statement_timeout: Duration,
    /// PostgreSQL's `idle_in_transaction_session_timeout`: the server itself ends a transaction of which it hears nothing more.
    /// Shorter for an operation whose deadline is. Default: 30 seconds.
    pub idle_in_transaction_timeout: Duration,
    /// SQLite's `busy_timeout`: how long to wait for another *process* that writes. Default: 5 seconds.
    pub busy_timeout: Duration,
    /// The longest that a ROLLBACK may take, and how long past the operation's deadline a COMMIT is waited for and, where it is
    /// not answered, its outcome is looked for; from COMMIT on where there is no deadline. Default: 10 seconds.
    pub finish_timeout: Duration,
    /// How long a look-up waits for a statement that it shares with others ([`SharedLookUp`](crate::SharedLookUp)) before it makes
    /// one of its own. Default: 100 milliseconds.
    pub look_up_patience: Duration,
    /// Whether mutations that wait for SQLite's one writer run in one transaction, each in a savepoint, and share its COMMIT: one
    /// wait for the disk instead of one each. No answer is given before that COMMIT. It takes a [`Retrying`](crate::Retrying) with
    /// more than one attempt, because a mutation is run again by itself where the COMMIT fails. Nothing changes for a mutation that
    /// nobody waits for. Default: yes.
    pub share_commits: bool,
    /// The longest that a mutation which is done waits for others to share its COMMIT. One that takes longer is undone, and runs
    /// again by itself. Others are taken in for a fifth of it. Default: 50 milliseconds.
    pub commit_patience: Duration,
    /// SQLite's `cache_size`: how many bytes of pages each connection keeps in memory. A transaction that changes more pages than its
    /// connection keeps writes some of them several times. Default: 2,000 KiB, as SQLite has it.
    pub page_cache: u64,
    /// The isolation level of the writer on PostgreSQL. Default: READ COMMITTED.
    pub writer_isolation: IsolationLevel,
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
            page_cache: 2_000 * 1024,
            writer_isolation: IsolationLevel::ReadCommitted,
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
    page_cache: u64,
    writer_isolation: IsolationLevel,
});

impl DatabaseOptions {
    /// Sets [`DatabaseOptions::application_name`](#structfield.application_name).
    #[must_use]
    pub fn application_name(mut self, application_name: impl Into<String>) -> Self {
        self.application_name = application_name.into();
        self
    }
}
