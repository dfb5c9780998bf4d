//! The database that units are begun on: a pool for mutations, and one for everything else.

use std::{future::Future, sync::Arc, time::Duration};

use sea_orm::{DbBackend, IsolationLevel};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{
    ConnectError, UnitError,
    begin::Identity,
    connect,
    connection::Connection,
    pool::AnyPool,
    telemetry,
    terms::Terms,
    unit::{Ending, Outcome, RollBackOnDrop, UnitOfWork},
};

/// How a [`Database`] connects. The defaults suit a server with a database beside it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabaseOptions {
    /// The most connections of each pool. SQLite's writer is always one. Default: 16.
    pub max_connections: u32,
    /// How long an operation may wait for a connection before it fails. Default: 5 seconds.
    pub acquire_timeout: Duration,
    /// How long the first connection may take, in [`Database::connect`]. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// PostgreSQL's `statement_timeout`: the server itself ends a statement that runs longer. Default: 30 seconds.
    pub statement_timeout: Duration,
    /// PostgreSQL's `idle_in_transaction_session_timeout`. Default: 60 seconds.
    pub idle_in_transaction_timeout: Duration,
    /// SQLite's `busy_timeout`: how long to wait for another *process* that writes. Default: 5 seconds.
    pub busy_timeout: Duration,
    /// The longest that a COMMIT or ROLLBACK may take before the connection is given up and closed. Default: 10 seconds.
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
            idle_in_transaction_timeout: Duration::from_secs(60),
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
    options: DatabaseOptions,
    /// Units that are being finished, and effects.
    tasks: TaskTracker,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Committed,
    Aborted,
    Unknown,
}

/// How long to wait before a transaction that is in progress is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

impl Database {
    /// Connects to `postgres://…` or `sqlite://path?mode=rwc`, and fails at once where that cannot work.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL is not understood, or when the first connection cannot be made in
    /// [`DatabaseOptions::connect_timeout`].
    pub async fn connect(url: &str, options: DatabaseOptions) -> Result<Self, ConnectError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let (reader, writer) = match scheme {
            "postgres" | "postgresql" => connect::postgres(url, &options).await?,
            "sqlite" => connect::sqlite(url, &options).await?,
            other => {
                return Err(ConnectError::UnsupportedScheme {
                    scheme: other.to_owned(),
                });
            }
        };
        let inner = Arc::new(Inner {
            reader,
            writer,
            options,
            tasks: TaskTracker::new(),
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
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        for pool in [&self.inner.reader, &self.inner.writer] {
            pool.close().await;
        }
        // The effects of those that were in use.
        self.inner.tasks.wait().await;
    }

    /// Takes a connection for `access` from its pool; nothing is begun on it yet.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was on its way goes back to the pool.
    pub(crate) async fn acquire(&self, access: Access) -> Result<Connection, sqlx::Error> {
        let pool = match access {
            Access::ReadOnly => &self.inner.reader,
            Access::ReadWrite => &self.inner.writer,
        };
        Ok(match pool {
            AnyPool::Postgres(pool) => Connection::postgres(pool.acquire().await?),
            AnyPool::Sqlite(pool) => Connection::sqlite(pool.acquire().await?),
        })
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

    /// What became of a transaction whose COMMIT was not answered. Asks the database itself, on another connection.
    ///
    /// A server that has not noticed yet that the connection is gone still holds the transaction open: its backend is
    /// ended, so that there is an outcome to tell.
    pub(crate) async fn verdict(&self, identity: &Identity) -> Verdict {
        let limit = self.finish_timeout();
        timeout(limit, self.ask_for_verdict(identity))
            .await
            .unwrap_or(Verdict::Unknown)
    }

    async fn ask_for_verdict(&self, identity: &Identity) -> Verdict {
        loop {
            match self.transaction_status(identity).await.as_deref() {
                Ok("committed") => return Verdict::Committed,
                Ok("aborted") => return Verdict::Aborted,
                Ok("in progress") => {}
                // Too old for the server to know: it cannot be, so soon.
                Ok(_) => return Verdict::Unknown,
                Err(error) => {
                    tracing::warn!(%error, "cannot ask for the outcome of a COMMIT yet");
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn transaction_status(&self, identity: &Identity) -> Result<String, sqlx::Error> {
        let AnyPool::Postgres(pool) = &self.inner.writer else {
            return Ok(String::new());
        };
        let mut connection = pool.acquire().await?;
        connection.in_doubt(true);
        let status =
            sqlx::query_scalar::<_, Option<String>>("SELECT pg_xact_status($1::text::xid8)")
                .bind(&identity.transaction)
                .fetch_one(&mut *connection)
                .await?;
        let status = status.unwrap_or_default();
        if status == "in progress" {
            // Its process id alone might be another's by now.
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE pid = $1::text::int AND backend_xid = ($2::text::xid8)::xid",
            )
            .bind(&identity.backend)
            .bind(&identity.transaction)
            .execute(&mut *connection)
            .await?;
        }
        connection.in_doubt(false);
        Ok(status)
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
