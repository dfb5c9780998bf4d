//! The application's hook for new connections.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt as _, future::BoxFuture};
use sea_orm::{DbBackend, DbErr};
use sqlx::Connection as _;
use thiserror::Error;
use tokio::sync::Mutex;

use super::{
    Access,
    connection_trait::lend_as_connection_trait,
    engine::{Driver, Engine, on_engine},
    statements::Statements,
};
use crate::FailureKind;

/// A new connection, before any unit uses it: what the hook of
/// [`DatabaseOptions::after_connect`](crate::DatabaseOptions::after_connect) is given.
///
/// It implements SeaORM's `ConnectionTrait`, so entities and raw statements work on it. [`postgres`](Self::postgres) and
/// [`sqlite`](Self::sqlite) give the driver's own connection, for what has no SQL.
///
/// ```
/// use sea_orm::ConnectionTrait;
/// use unit_of_work::DatabaseOptions;
///
/// let options = DatabaseOptions::default().after_connect(|connection| {
///     Box::pin(async move {
///         connection.execute_unprepared("SET search_path = tenants").await?;
///         Ok(())
///     })
/// });
/// # let _ = options;
/// ```
pub struct NewConnection<'c> {
    /// Behind a lock, because `ConnectionTrait` takes `&self`.
    driver: Mutex<Driver<'c>>,
    backend: DbBackend,
    access: Access,
}

impl NewConnection<'_> {
    /// What units will do on this connection. A hook that writes does so on a connection of the kind
    /// [`ReadWrite`](Access::ReadWrite).
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The driver's connection, on PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut sqlx::PgConnection> {
        match self.driver.get_mut() {
            Driver::Postgres(connection) => Some(connection),
            #[cfg(any(feature = "mariadb", feature = "sqlite"))]
            _ => None,
        }
    }

    /// The driver's connection, on SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut sqlx::SqliteConnection> {
        match self.driver.get_mut() {
            Driver::Sqlite(connection) => Some(connection),
            #[cfg(any(feature = "mariadb", feature = "postgres"))]
            _ => None,
        }
    }

    /// The driver's connection, on MariaDB.
    #[cfg(feature = "mariadb")]
    pub fn mariadb(&mut self) -> Option<&mut sqlx::MySqlConnection> {
        match self.driver.get_mut() {
            Driver::MariaDb(connection) => Some(connection),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            _ => None,
        }
    }

    fn backend(&self) -> DbBackend {
        self.backend
    }

    async fn statement<T>(
        &self,
        run: impl AsyncFnOnce(&mut Driver<'_>) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        run(&mut *self.driver.lock().await).await
    }
}

lend_as_connection_trait!(NewConnection<'_>);

impl fmt::Debug for NewConnection<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewConnection")
            .field("backend", &self.backend)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Driver<'_> {
    async fn execute(
        &mut self,
        statement: sea_orm::Statement,
    ) -> Result<sea_orm::ExecResult, DbErr> {
        on_engine!(Driver, self, driver => Statements::on(&mut **driver).execute(statement).await)
    }

    async fn execute_unprepared(&mut self, sql: &str) -> Result<sea_orm::ExecResult, DbErr> {
        on_engine!(Driver, self, driver => Statements::on(&mut **driver).execute_unprepared(sql).await)
    }

    async fn query_one(
        &mut self,
        statement: sea_orm::Statement,
    ) -> Result<Option<sea_orm::QueryResult>, DbErr> {
        on_engine!(Driver, self, driver => Statements::on(&mut **driver).query_one(statement).await)
    }

    async fn query_all(
        &mut self,
        statement: sea_orm::Statement,
    ) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
        on_engine!(Driver, self, driver => Statements::on(&mut **driver).query_all(statement).await)
    }
}

type Hook =
    dyn for<'c> Fn(NewConnection<'c>) -> BoxFuture<'c, Result<(), DbErr>> + Send + Sync + 'static;

/// The application's hook for new connections.
#[derive(Clone)]
pub(crate) struct AfterConnect {
    hook: Arc<Hook>,
    /// Whether the call that was over last was dropped: the time for connecting was up.
    is_cut: Arc<AtomicBool>,
}

impl AfterConnect {
    pub(super) fn new<F>(hook: F) -> Self
    where
        F: for<'c> Fn(NewConnection<'c>) -> BoxFuture<'c, Result<(), DbErr>>
            + Send
            + Sync
            + 'static,
    {
        Self {
            hook: Arc::new(hook),
            is_cut: Arc::default(),
        }
    }

    /// Gives a new connection to the hook, and looks whether it comes back without a transaction.
    ///
    /// # Errors
    /// [`HookError`], as a driver's error.
    pub(super) async fn run<E: Engine>(
        &self,
        connection: &mut E::Connection,
        access: Access,
    ) -> Result<(), sqlx::Error> {
        let mut cut = NotedWhenCut {
            is_cut: &self.is_cut,
            has_ended: false,
        };
        let given = NewConnection {
            driver: Mutex::new(E::driver(connection)),
            backend: E::BACKEND,
            access,
        };
        // Also where the hook panics before it has made its future.
        let hook = AssertUnwindSafe(async { (self.hook)(given).await });
        let done = hook.catch_unwind().await;
        cut.has_ended = true;
        drop(cut);
        match done {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return Err(HookError::Refused(refused).into()),
            Err(_) => return Err(HookError::Panicked.into()),
        }
        let left = match connection.is_in_transaction() {
            true => Some(Left::Transaction),
            false => E::left(connection).await?,
        };
        left.map_or(Ok(()), |left| Err(HookError::Left(left).into()))
    }

    /// The error for a connection for which there was not enough time, if it was the hook that took it.
    pub(super) fn cut(&self) -> Option<sqlx::Error> {
        let is_cut = self.is_cut.load(Ordering::Relaxed);
        is_cut.then(|| HookError::TookTooLong.into())
    }
}

/// Notes on drop whether a call of the hook has ended by itself.
struct NotedWhenCut<'a> {
    is_cut: &'a AtomicBool,
    has_ended: bool,
}

impl Drop for NotedWhenCut<'_> {
    fn drop(&mut self) {
        self.is_cut.store(!self.has_ended, Ordering::Relaxed);
    }
}

impl fmt::Debug for AfterConnect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AfterConnect")
    }
}

/// Why a connection is not used after its hook.
#[derive(Debug, Error)]
pub(crate) enum HookError {
    #[error("`DatabaseOptions::after_connect` has refused the connection")]
    Refused(#[source] DbErr),
    #[error("`DatabaseOptions::after_connect` has panicked")]
    Panicked,
    #[error("`DatabaseOptions::after_connect` has left {}", .0.text())]
    Left(Left),
    #[error(
        "`DatabaseOptions::after_connect` has not ended within `DatabaseOptions::connect_timeout`"
    )]
    TookTooLong,
}

/// What a hook has left on a connection, and must not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    Transaction,
    /// Orders about a connection need the role that logged in.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "SQLite has no users")
    )]
    SessionUser,
}

impl Left {
    fn text(self) -> &'static str {
        match self {
            Self::Transaction => "a transaction open: it has to commit what it begins",
            Self::SessionUser => "another session user: `SET ROLE` is for that",
        }
    }
}

impl HookError {
    /// The hook's error inside a driver's, if it is one.
    pub(crate) fn in_driver_error(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// The hook's error inside a driver's, or the driver's as it was.
    pub(super) fn from_driver_error(error: sqlx::Error) -> Result<Self, sqlx::Error> {
        match error {
            sqlx::Error::Configuration(error) => match error.downcast() {
                Ok(hook) => Ok(*hook),
                Err(other) => Err(sqlx::Error::Configuration(other)),
            },
            other => Err(other),
        }
    }

    /// What it means for who waits for the connection.
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Refused(error) => match FailureKind::of(error) {
                FailureKind::Other
                | FailureKind::Constraint
                | FailureKind::ReadOnly
                | FailureKind::Damaged => FailureKind::Other,
                // It may pass, and nothing has happened.
                _ => FailureKind::Unavailable,
            },
            Self::TookTooLong => FailureKind::Unavailable,
            Self::Panicked | Self::Left(_) => FailureKind::Other,
        }
    }
}

impl From<HookError> for sqlx::Error {
    fn from(error: HookError) -> Self {
        Self::Configuration(Box::new(error))
    }
}
