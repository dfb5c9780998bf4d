//! The database that units are begun on: a pool for mutations, and one for everything else.

pub(crate) mod backend;
pub(crate) mod begin;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod health;
pub(crate) mod pool;
pub(crate) mod postgres;
pub(crate) mod session;
pub(crate) mod sql;
pub(crate) mod sqlite;
pub(crate) mod writable;

use std::{
    future::Future,
    sync::{Arc, Once},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, IsolationLevel, Statement};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    ConnectError, UnitError,
    database::{
        connection::{Connection, Peer},
        health::Health,
        pool::AnyPool,
        postgres::control::Control,
        sqlite::{files::FileReplaced, keeper::Keeper},
    },
    observe::telemetry,
    unit::{Ending, Outcome, RollBackOnDrop, UnitOfWork, terms::Terms},
};

/// How a [`Database`] connects. The defaults suit a server with a database beside it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabaseOptions {
    /// The most connections of each pool, a reader's and a writer's. SQLite's writer is always one. On PostgreSQL up to two more
    /// are made, to stop what hangs on the others. Default: 16.
    pub max_connections: u32,
    /// How long an operation may wait for others to give a connection back before it fails (`OVERLOADED`). For a database
    /// that cannot be reached it waits until its deadline, and only without one this long. Default: 5 seconds.
    pub acquire_timeout: Duration,
    /// How long one connection may take to be made; the first, in [`Database::connect`], is tried once. Default: 10 seconds.
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
            writer_isolation: IsolationLevel::ReadCommitted,
            application_name: "unit-of-work".to_owned(),
        }
    }
}

/// What a unit may do to the database. The database enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads on one snapshot; a write is refused by the database.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

impl Access {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "READ ONLY",
            Self::ReadWrite => "READ WRITE",
        }
    }
}

/// A database that units of work are begun on. Cheap to clone; all clones share the pools.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reader: AnyPool,
    writer: AnyPool,
    /// Where PostgreSQL is told about connections that hang.
    control: Option<Control>,
    /// What keeps the files of an SQLite database open.
    keeper: Option<Arc<Keeper>>,
    options: DatabaseOptions,
    /// What units have found out about it.
    health: Health,
    /// Units that are being finished, and effects.
    tasks: TaskTracker,
    /// Cancelled when the database is being closed.
    closing: CancellationToken,
    /// Whether it was said that there are no markers.
    warned: Once,
}

impl Database {
    /// Connects to `postgres://…` or `sqlite://path?mode=rwc`, and fails at once where that cannot work.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL is not understood, or when the first connection cannot be made in
    /// [`DatabaseOptions::connect_timeout`].
    pub async fn connect(url: &str, options: DatabaseOptions) -> Result<Self, ConnectError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let (reader, writer, keeper) = match scheme {
            "postgres" | "postgresql" => {
                let (reader, writer) = connect::postgres(url, &options).await?;
                (reader, writer, None)
            }
            "sqlite" => {
                let (reader, writer, keeper) = connect::sqlite(url, &options).await?;
                (reader, writer, Some(keeper))
            }
            other => {
                return Err(ConnectError::UnsupportedScheme {
                    scheme: other.to_owned(),
                });
            }
        };
        let control = match &writer {
            AnyPool::Postgres(writer) => Some(Control::new(writer)),
            AnyPool::Sqlite(_) => None,
        };
        let inner = Arc::new(Inner {
            reader,
            writer,
            control,
            keeper,
            options,
            health: Health::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            warned: Once::new(),
        });
        Ok(Self { inner })
    }

    /// The engine behind the URL.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        match self.inner.writer {
            AnyPool::Postgres(_) => DbBackend::Postgres,
            AnyPool::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// The settings of a PostgreSQL server that weaken what COMMIT promises, and that no session can change: `fsync` and
    /// `full_page_writes`, where they are off. With one of them, a commit that was acknowledged can be lost when the server's machine
    /// fails. A server should ask once when it starts, and say so in its log. None on SQLite.
    ///
    /// # Errors
    /// When the database fails.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn weaknesses(&self) -> Result<Vec<String>, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return Ok(Vec::new());
        }
        let question = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'";
        let question = Statement::from_string(DbBackend::Postgres, question);
        let rows = self
            .read(async |unit| unit.query_all_raw(question).await)
            .await?;
        rows.iter()
            .map(|row| row.try_get_by_index::<String>(0))
            .collect()
    }

    /// Runs `body` on a read-only unit, outside any GraphQL operation, and ends its snapshot.
    ///
    /// # Errors
    /// Those of `body`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the snapshot in the background.
    pub async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let span = telemetry::unit_span();
        let unit = UnitOfWork::new(self.clone(), Terms::of(Access::ReadOnly), span.clone());
        let guard = RollBackOnDrop::new(unit.clone());
        let result = body(unit.clone()).instrument(span).await;
        guard.disarm();
        unit.end_read();
        result
    }

    /// Runs `body` on a unit, outside any GraphQL operation: commits when it answers `Ok`, rolls back when it does not.
    ///
    /// # Errors
    /// Those of `body`, and [`UnitError`] when the unit was doomed or its COMMIT failed.
    ///
    /// # Cancel safety
    /// Dropping the future rolls back in the background; a COMMIT under way is allowed to finish.
    pub async fn write<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(UnitOfWork) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<UnitError>,
    {
        let span = telemetry::unit_span();
        let unit = UnitOfWork::new(self.clone(), Terms::of(Access::ReadWrite), span.clone());
        let guard = RollBackOnDrop::new(unit.clone());
        let result = body(unit.clone()).instrument(span).await;
        guard.disarm();
        let ending = if result.is_ok() {
            Ending::Commit
        } else {
            Ending::RollBack(crate::Reason::Error)
        };
        match unit.finish(ending).await {
            Outcome::CommitFailed(failure) if result.is_ok() => {
                Err(UnitError::CommitFailed(failure).into())
            }
            Outcome::Unknown if result.is_ok() => Err(UnitError::OutcomeUnknown.into()),
            Outcome::RolledBack(_) if result.is_ok() => Err(UnitError::Doomed.into()),
            _ => result,
        }
    }

    /// Waits for units that are being finished and for effects, those that outlast their response too; then closes both
    /// pools: waits for connections that are in use, refuses new units.
    ///
    /// # Cancel safety
    /// Cancel safe: what has not ended goes on.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        for pool in [&self.inner.reader, &self.inner.writer] {
            pool.close().await;
        }
        // The effects of those that were in use.
        self.inner.tasks.wait().await;
        if let Some(control) = &self.inner.control {
            control.close().await;
        }
        // Last, so that the log goes with it.
        if let Some(keeper) = &self.inner.keeper {
            keeper.close().await;
        }
    }

    /// Takes a connection for `access` from its pool; nothing is begun on it yet. A database that cannot be reached is
    /// waited for until `deadline`.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was on its way goes back to the pool.
    pub(crate) async fn acquire(
        &self,
        access: Access,
        deadline: Option<Instant>,
    ) -> Result<Connection, sqlx::Error> {
        let connection = match self.pool(access) {
            AnyPool::Postgres(pool) => Connection::postgres(pool.acquire_until(deadline).await?),
            AnyPool::Sqlite(pool) => {
                self.look_at_files(Access::ReadOnly)?;
                let connection = pool.acquire_until(deadline).await?;
                if access == Access::ReadWrite {
                    // It may have waited long for the writer before it.
                    self.look_at_files(access)?;
                }
                return Ok(Connection::sqlite(connection));
            }
        };
        if access == Access::ReadWrite && connection.markers().is_none() {
            self.inner.warned.call_once(|| {
                tracing::warn!(
                    "there is no table unit_of_work_marker that this role may read and insert into: of a COMMIT whose \
                     answer is lost clients are told OUTCOME_UNKNOWN, except where a row that it inserted was named as \
                     evidence (unit_of_work::marker has the migration)"
                );
            });
        }
        Ok(connection)
    }

    /// Refuses where the files of an SQLite database are not the ones that are open: for who may write, as they are now.
    ///
    /// # Errors
    /// [`FileReplaced`] as a driver's error.
    pub(crate) fn look_at_files(&self, access: Access) -> Result<(), sqlx::Error> {
        let Some(keeper) = &self.inner.keeper else {
            return Ok(());
        };
        let was_known = keeper.files.is_replaced();
        let looked = match access {
            Access::ReadOnly => keeper.files.look_now_and_then(),
            Access::ReadWrite => keeper.files.look(),
        };
        looked.map_err(|replaced| {
            if !was_known {
                self.complete_files(replaced.clone());
            }
            replaced.into()
        })
    }

    /// Looks once more between COMMIT and its answer: whether what was committed is in the files that the paths lead to.
    pub(crate) fn is_committed_where_it_should_be(&self) -> bool {
        let Some(keeper) = &self.inner.keeper else {
            return true;
        };
        let Err(replaced) = keeper.files.look_after_commit() else {
            return true;
        };
        // What was just committed is in the log alone, also where others have moved it before.
        self.complete_files(replaced);
        false
    }

    /// Saves what was committed into the file that is open, in the background.
    fn complete_files(&self, replaced: FileReplaced) {
        if let (Some(keeper), Ok(runtime)) = (&self.inner.keeper, Handle::try_current()) {
            let keeper = Arc::clone(keeper);
            let complete = async move { keeper.complete(&replaced).await };
            self.inner.tasks.spawn_on(complete, &runtime);
        }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    pub(crate) fn keeper(&self) -> Option<&Keeper> {
        self.inner.keeper.as_deref()
    }

    pub(crate) fn pool(&self, access: Access) -> &AnyPool {
        match access {
            Access::ReadOnly => &self.inner.reader,
            Access::ReadWrite => &self.inner.writer,
        }
    }

    /// The isolation level that a unit has by itself.
    pub(crate) fn isolation(&self, access: Access) -> IsolationLevel {
        match (self.backend(), access) {
            (DbBackend::Postgres, Access::ReadOnly) => IsolationLevel::RepeatableRead,
            (DbBackend::Postgres, Access::ReadWrite) => self.inner.options.writer_isolation,
            // SQLite knows no weaker level: writers are serial, and a reader keeps its snapshot.
            _ => IsolationLevel::Serializable,
        }
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.inner.options.statement_timeout
    }

    /// The longest that PostgreSQL waits for the next statement of a transaction.
    pub(crate) fn idle_in_transaction_timeout(&self) -> Duration {
        self.inner.options.idle_in_transaction_timeout
    }

    /// Has the statement that a connection is busy with stopped. Nobody wants its result, and the connection is still held.
    /// `false` where that may or may not have happened, or may yet.
    pub(crate) async fn stop(&self, peer: &Peer) -> bool {
        match (peer, &self.inner.control) {
            (Peer::Postgres(backend), Some(control)) => control.cancel(backend).await,
            (Peer::Sqlite(interrupt), _) => {
                interrupt.raise();
                true
            }
            (Peer::Postgres(_), None) => false,
        }
    }

    /// Closes a connection whose state is in doubt and on which no COMMIT was sent, and has its backend ended: the server may
    /// not notice for long that nobody is there any more, and holds the locks until then.
    pub(crate) fn give_up(&self, connection: Connection) {
        let peer = connection.peer();
        connection.close_hard();
        if let Peer::Postgres(backend) = peer
            && let Ok(runtime) = Handle::try_current()
        {
            let database = self.clone();
            let end = async move {
                if let Some(control) = &database.inner.control {
                    control.end(&backend).await;
                }
            };
            self.inner.tasks.spawn_on(end, &runtime);
        }
    }

    pub(crate) fn control(&self) -> Option<&Control> {
        self.inner.control.as_ref()
    }

    /// Cancelled when the database is being closed.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.inner.closing
    }

    /// What [`Database::close`] waits for.
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
