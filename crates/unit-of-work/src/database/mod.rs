//! The database that units are begun on: writer connections for mutations, and reader connections for everything else.
//!
//! Isolation and access mode are properties of the *sessions*. They are set when a connection is made, so that they cost an operation no
//! statement, and checked once on each new connection (`engine/…/session`):
//!
//! | engine | writer | reader |
//! |---|---|---|
//! | PostgreSQL | READ COMMITTED by default, read-write | REPEATABLE READ, read-only: one snapshot per unit |
//! | SQLite | one connection, `BEGIN IMMEDIATE` | connections opened read-only on the WAL: one snapshot per unit |
//! | MariaDB | READ COMMITTED by default, read-write | REPEATABLE READ, read-only: one snapshot per unit |
//!
//! All differences between engines are in [`engine`]. Nothing outside of it asks which engine it is.

pub(crate) mod after_connect;
pub(crate) mod begin;
pub(crate) mod checkpoint;
pub(crate) mod connection;
pub(crate) mod connection_trait;
pub(crate) mod engine;
pub(crate) mod health;

mod access;
mod connect;
mod driver_options;
mod lease;
#[cfg(feature = "migration")]
mod migrate;
mod options;
pub(crate) mod pool;
mod sql;
mod statements;
mod writable;

use std::{sync::Arc, time::Duration};

use sea_orm::{DbBackend, DbErr, IsolationLevel};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    access::Access, after_connect::NewConnection, driver_options::DriverOptions,
    options::DatabaseOptions,
};

use self::{
    connection::Connection,
    engine::{OpenDatabase as _, Opened, on_engine},
    health::Health,
};
use crate::{
    ConnectError, ConsistencyToken, UnitError,
    consistency::{reading::Reading, writes::Writes},
    error::CommitFailure,
    look_up::LookUps,
    unit::{
        UnitOfWork,
        group::{NamedLocks, Waiting},
    },
};

/// A database that units of work are begun on. Cheap to clone; all clones share the pools.
///
/// SeaORM has a type of the same name. A program on this crate does not need that one; `use unit_of_work::Database` by name wins over
/// `use sea_orm::*`.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use unit_of_work::{Database, DatabaseOptions};
///
/// let database = Database::connect("sqlite://app.db?mode=rwc", DatabaseOptions::default()).await?;
/// // … serve …
/// database.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    opened: Opened,
    options: DatabaseOptions,
    /// What units have found out about the database.
    health: Health,
    /// Tasks that finish units, and effects.
    tasks: TaskTracker,
    /// Look-ups that operations share.
    look_ups: LookUps,
    /// Units that wait for the writer, and may share a COMMIT.
    waiting: Waiting,
    named_locks: NamedLocks,
    /// What viewers have written, for their reads on replicas.
    writes: Writes,
    /// Cancelled when the database is being closed.
    closing: CancellationToken,
}

impl Drop for Inner {
    /// Ends the tasks that look after replicas, if nobody has closed the database.
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Database {
    /// Connects to `postgres://…`, `sqlite://path?mode=rwc`, or `mariadb://…` (with the feature `mariadb`). Fails at once if that cannot work.
    ///
    /// A PostgreSQL URL may name several servers of one cluster: `postgres://app@one,two:5433,three/app`. Each new connection is asked
    /// for the role of its server. Writers and readers use the primary, wherever it stands in the list, and find it again after a failover;
    /// until there is one, operations wait within their deadlines. A primary that another one has replaced is not used again. With
    /// [`DatabaseOptions::read_only`], the first server that answers is used. Here, all servers of the list are asked: one that does not
    /// answer is logged, and one that answers must be usable.
    ///
    /// A MariaDB URL may name several nodes of one Galera cluster, in the same way. One of them writes, by the table of
    #[cfg_attr(feature = "mariadb", doc = " [`galera`](crate::galera),")]
    #[cfg_attr(not(feature = "mariadb"), doc = " `galera`,")]
    /// and readers use all that are ready. They see all that was committed before. The crate's README has the rules.
    ///
    /// # Errors
    /// [`ConnectError`] if the URL is wrong, or the first connection cannot be made within [`DatabaseOptions::connect_timeout`].
    pub async fn connect(url: &str, options: DatabaseOptions) -> Result<Self, ConnectError> {
        Self::connect_with(url.parse::<DriverOptions>()?, options).await
    }

    /// Connects by options of the driver instead of a URL: sqlx's `PgConnectOptions`, `SqliteConnectOptions` or `MySqlConnectOptions`, which
    /// SeaORM re-exports as `sea_orm::sqlx`. Only where to connect, and how to log in, is theirs. What protects is set and checked as for a URL:
    ///
    /// - PostgreSQL: a start-up option that contradicts what a session must be is refused.
    /// - SQLite: `journal_mode`, `synchronous`, `foreign_keys`, `busy_timeout` and `query_only` are replaced, and a shared cache, an
    ///   immutable file, a database in memory and an exclusive locking mode are refused.
    /// - MariaDB: whatever the driver would set on a new connection (character set, time zone, `sql_mode`) is replaced.
    ///
    /// Statements are logged as the options say; by default, sqlx logs each at the level DEBUG.
    ///
    /// ```no_run
    /// # async fn example(password: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// use sea_orm::sqlx::postgres::PgConnectOptions;
    /// use unit_of_work::{Database, DatabaseOptions};
    ///
    /// let driver = PgConnectOptions::new_without_pgpass()
    ///     .socket("/run/postgresql")
    ///     .username("app")
    ///     .password(password)
    ///     .database("app");
    /// let database = Database::connect_with(driver, DatabaseOptions::default()).await?;
    /// # let _ = database; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Database::connect`], and [`ConnectError::Refused`] for options that contradict.
    pub async fn connect_with(
        driver: impl Into<DriverOptions>,
        options: DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        let opened = Opened::open(driver.into(), &options).await?;
        let inner = Arc::new(Inner {
            opened,
            options,
            health: Health::default(),
            tasks: TaskTracker::new(),
            look_ups: LookUps::default(),
            waiting: Waiting::default(),
            named_locks: NamedLocks::default(),
            writes: Writes::default(),
            closing: CancellationToken::new(),
        });
        let database = Self { inner };
        on_engine!(Opened, &database.inner.opened, open => open.watch(&database));
        Ok(database)
    }

    /// Whether both are the same, opened once.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether it was connected with [`DatabaseOptions::read_only`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use unit_of_work::{Database, DatabaseOptions};
    ///
    /// let options = DatabaseOptions::default().read_only(true);
    /// let replica = Database::connect("postgres://reports@replica/app", options).await?;
    /// assert!(replica.is_read_only());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.options.read_only
    }

    /// Refuses work that may write on a database that only reads.
    pub(crate) fn check_access(&self, access: Access) -> Result<(), UnitError> {
        match access {
            Access::ReadWrite if self.is_read_only() => Err(UnitError::ReadOnlyDatabase),
            _ => Ok(()),
        }
    }

    /// The engine behind the URL.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.inner.opened.backend()
    }

    /// Settings of a server under which an acknowledged COMMIT can be lost when the server's machine fails, and which no session can change:
    /// on PostgreSQL `fsync` and `full_page_writes`, if they are off. On MariaDB those of InnoDB and of the binary log, tables of other engines, and on a
    /// Galera cluster, tables without a primary key. Ask once at start-up, and log a warning. Always empty on SQLite.
    ///
    /// # Errors
    /// If the database fails.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn weaknesses(&self) -> Result<Vec<String>, DbErr> {
        on_engine!(Opened, &self.inner.opened, open => open.weaknesses(self).await)
    }

    /// Waits for units that are being finished and for effects, including those that outlive their response. Then refuses new units, waits
    /// for the connections in use, and closes both pools.
    ///
    /// # Cancel safety
    /// Cancel safe. If it is dropped, whatever it waited for goes on.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        for access in [Access::ReadOnly, Access::ReadWrite] {
            on_engine!(Opened, &self.inner.opened, open => open.pool(access).close().await);
        }
        // The effects of units whose connections were in use.
        self.inner.tasks.wait().await;
        on_engine!(Opened, &self.inner.opened, open => open.close().await);
    }

    /// Takes a connection for `access` from its pool, without beginning a transaction. If the database cannot be reached, waits until
    /// `deadline`.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was being taken goes back to the pool.
    pub(crate) async fn acquire(
        &self,
        access: Access,
        deadline: Option<Instant>,
    ) -> Result<Connection, sqlx::Error> {
        // Everything that may write asked before it began. No path around that question ends at a writer.
        self.check_access(access)
            .map_err(|refused| sqlx::Error::Io(std::io::Error::other(refused)))?;
        on_engine!(Opened, &self.inner.opened, open => {
            let connection = open.acquire(self, access, deadline).await?;
            Ok(Connection::new(connection))
        })
    }

    /// Takes a reader's connection as [`Database::acquire`] does, to a server that has what the reading asks for.
    ///
    /// # Errors
    /// Those of [`Database::acquire`], and of [`Connection::honours`].
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was being taken goes back to its pool.
    pub(crate) async fn acquire_to_read(
        &self,
        reading: &Reading,
        deadline: Option<Instant>,
    ) -> Result<Connection, sqlx::Error> {
        on_engine!(Opened, &self.inner.opened, open => {
            let connection = open.acquire_to_read(self, reading, deadline).await?;
            Ok(Connection::new(connection))
        })
    }

    /// Whether queries may be read from replicas, so that responses have consistency tokens.
    pub(crate) fn has_replicas(&self) -> bool {
        on_engine!(Opened, &self.inner.opened, open => open.has_replicas())
    }

    /// Whether a replica is known to have what the token stands for. None may have been asked yet.
    pub(crate) fn replicas_have(&self, token: &ConsistencyToken) -> bool {
        on_engine!(Opened, &self.inner.opened, open => open.replicas_have(token))
    }

    pub(crate) fn max_staleness(&self) -> Option<Duration> {
        self.inner.options.max_staleness
    }

    pub(crate) fn writes(&self) -> &Writes {
        &self.inner.writes
    }

    /// Checks, between COMMIT and its answer, whether the committed data is in the files at the paths.
    pub(crate) fn is_committed_where_it_should_be(&self) -> bool {
        on_engine!(Opened, &self.inner.opened, open => open.is_committed_where_it_should_be(self))
    }

    /// Checks deferred constraints now, with the result that COMMIT would have.
    pub(crate) async fn check_deferred(
        &self,
        unit: &UnitOfWork,
    ) -> Result<Option<CommitFailure>, DbErr> {
        on_engine!(Opened, &self.inner.opened, open => open.check_deferred(unit).await)
    }

    /// Whether operations that wait for a connection wait for the database, and not for each other.
    pub(crate) fn is_out_of_reach(&self, access: Access) -> bool {
        on_engine!(Opened, &self.inner.opened, open => open.pool(access).is_out_of_reach())
    }

    /// The open database of its engine.
    pub(crate) fn opened(&self) -> &Opened {
        &self.inner.opened
    }

    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    /// The default isolation level of a unit.
    pub(crate) fn isolation(&self, access: Access) -> IsolationLevel {
        let options = &self.inner.options;
        on_engine!(Opened, &self.inner.opened, open => open.isolation(access, options))
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.inner.options.statement_timeout
    }

    /// How long PostgreSQL waits for the next statement of a transaction, at most.
    pub(crate) fn idle_in_transaction_timeout(&self) -> Duration {
        self.inner.options.idle_in_transaction_timeout
    }

    /// Closes a connection whose state is in doubt and on which no COMMIT was sent, and ends its backend. Otherwise the server might hold
    /// its locks for long, until it notices that the connection is gone.
    pub(crate) fn give_up(&self, connection: Connection) {
        let peer = connection.peer();
        connection.close_hard();
        if peer.can_be_ended()
            && let Ok(runtime) = Handle::try_current()
        {
            let database = self.clone();
            let end = async move { database.inner.opened.end(&peer).await };
            self.inner.tasks.spawn_on(end, &runtime);
        }
    }

    /// Cancelled when the database is being closed.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.inner.closing
    }

    pub(crate) fn look_up_patience(&self) -> Duration {
        self.inner.options.look_up_patience
    }

    pub(crate) fn look_ups(&self) -> &LookUps {
        &self.inner.look_ups
    }

    /// Whether mutations may share a COMMIT.
    pub(crate) fn shares_commits(&self) -> bool {
        self.inner.options.share_commits
    }

    pub(crate) fn has_one_writer(&self) -> bool {
        on_engine!(Opened, &self.inner.opened, open => open.has_one_writer())
    }

    pub(crate) fn commit_patience(&self) -> Duration {
        self.inner.options.commit_patience
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.inner.waiting
    }

    pub(crate) fn named_locks(&self) -> &NamedLocks {
        &self.inner.named_locks
    }

    /// The tasks that [`Database::close`] waits for.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.inner.tasks
    }

    pub(crate) fn max_connections(&self) -> u32 {
        self.inner.options.max_connections
    }

    pub(crate) fn finish_timeout(&self) -> Duration {
        self.inner.options.finish_timeout
    }
}
