//! The database that units are begun on: a writer for mutations, and a reader for everything else.
//!
//! Isolation and access mode are properties of the *sessions*, set when a connection is made, so that they cost an
//! operation no statement, and each new connection proves that it has them (`engine/…/session`):
//!
//! | engine | writer | reader |
//! |---|---|---|
//! | PostgreSQL | READ COMMITTED by default, read-write | REPEATABLE READ, read-only: one snapshot per unit |
//! | SQLite | one connection, `BEGIN IMMEDIATE` | connections opened read-only on the WAL: one snapshot per unit |
//!
//! What the engines do differently is in [`engine`], and nothing outside of it asks which one it is.

pub(crate) mod begin;
pub(crate) mod checkpoint;
pub(crate) mod connection;
pub(crate) mod engine;
pub(crate) mod health;

mod access;
mod connect;
mod lease;
mod options;
pub(crate) mod pool;
mod sql;
mod writable;

use std::{sync::Arc, time::Duration};

use sea_orm::{DbBackend, DbErr, IsolationLevel};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{access::Access, options::DatabaseOptions};

use self::{
    connection::Connection,
    engine::{OpenDatabase as _, Opened, on_engine},
    health::Health,
};
use crate::{
    ConnectError,
    error::CommitFailure,
    look_up::LookUps,
    unit::{UnitOfWork, group::Waiting},
};

/// A database that units of work are begun on. Cheap to clone; all clones share the pools.
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
    /// What units have found out about it.
    health: Health,
    /// Units that are being finished, and effects.
    tasks: TaskTracker,
    /// Look-ups that operations share.
    look_ups: LookUps,
    /// Units that wait for the writer, and may share a COMMIT.
    waiting: Waiting,
    /// Cancelled when the database is being closed.
    closing: CancellationToken,
}

impl Database {
    /// Connects to `postgres://…` or `sqlite://path?mode=rwc`, and fails at once where that cannot work.
    ///
    /// # Errors
    /// [`ConnectError`] when the URL is not understood, or when the first connection cannot be made in
    /// [`DatabaseOptions::connect_timeout`].
    pub async fn connect(url: &str, options: DatabaseOptions) -> Result<Self, ConnectError> {
        let opened = Opened::open(url, &options).await?;
        let inner = Arc::new(Inner {
            opened,
            options,
            health: Health::default(),
            tasks: TaskTracker::new(),
            look_ups: LookUps::default(),
            waiting: Waiting::default(),
            closing: CancellationToken::new(),
        });
        Ok(Self { inner })
    }

    /// The engine behind the URL.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.inner.opened.backend()
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
        on_engine!(Opened, &self.inner.opened, open => open.weaknesses(self).await)
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
        for access in [Access::ReadOnly, Access::ReadWrite] {
            on_engine!(Opened, &self.inner.opened, open => open.pool(access).close().await);
        }
        // The effects of those that were in use.
        self.inner.tasks.wait().await;
        on_engine!(Opened, &self.inner.opened, open => open.close().await);
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
        on_engine!(Opened, &self.inner.opened, open => {
            let connection = open.acquire(self, access, deadline).await?;
            Ok(Connection::new(connection))
        })
    }

    /// Looks once more between COMMIT and its answer: whether what was committed is in the files that the paths lead to.
    pub(crate) fn is_committed_where_it_should_be(&self) -> bool {
        on_engine!(Opened, &self.inner.opened, open => open.is_committed_where_it_should_be(self))
    }

    /// Checks now what is otherwise checked at COMMIT: what COMMIT would answer.
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

    /// What the engine has to be asked.
    pub(crate) fn opened(&self) -> &Opened {
        &self.inner.opened
    }

    pub(crate) fn health(&self) -> &Health {
        &self.inner.health
    }

    /// The isolation level that a unit has by itself.
    pub(crate) fn isolation(&self, access: Access) -> IsolationLevel {
        let options = &self.inner.options;
        on_engine!(Opened, &self.inner.opened, open => open.isolation(access, options))
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.inner.options.statement_timeout
    }

    /// The longest that PostgreSQL waits for the next statement of a transaction.
    pub(crate) fn idle_in_transaction_timeout(&self) -> Duration {
        self.inner.options.idle_in_transaction_timeout
    }

    /// Closes a connection whose state is in doubt and on which no COMMIT was sent, and has its backend ended: the server may
    /// not notice for long that nobody is there any more, and holds the locks until then.
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
            && on_engine!(Opened, &self.inner.opened, open => open.has_one_writer())
    }

    pub(crate) fn commit_patience(&self) -> Duration {
        self.inner.options.commit_patience
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.inner.waiting
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
