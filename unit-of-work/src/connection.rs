//! One database connection, taken from its pool for one unit: the layer beneath SeaORM's `ConnectionTrait`.
//!
//! It exists beside SeaORM's `DatabaseTransaction` for three reasons. Waiting for a connection and beginning are
//! separate steps (the first may be cancelled, the second must not be). A connection whose state is in doubt is closed
//! instead of reused. And the crate's public face never shows what lies beneath, so that it can change.

use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    AssertSqlSafe, Database, Executor, IntoArguments, Postgres, SqlSafeStr, Sqlite,
    pool::PoolConnection,
};
use sqlx_core::transaction::TransactionManager;

use crate::database::Access;

#[derive(Debug)]
pub(crate) enum Connection {
    Postgres(Lease<Postgres>),
    Sqlite(Lease<Sqlite>),
}

/// Sends one statement to whichever engine it is.
macro_rules! on_lease {
    ($connection:expr, $lease:ident => $body:expr) => {
        match $connection {
            Connection::Postgres($lease) => $body,
            Connection::Sqlite($lease) => $body,
        }
    };
}

impl Connection {
    pub(crate) fn postgres(connection: PoolConnection<Postgres>) -> Self {
        Self::Postgres(Lease(Some(connection)))
    }

    pub(crate) fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self::Sqlite(Lease(Some(connection)))
    }

    /// Begins the transaction.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: a BEGIN that is dropped half way leaves a transaction that the pool does not know of
    /// (<https://github.com/launchbadge/sqlx/issues/4393>). Run it in a task of its own.
    pub(crate) async fn begin(&mut self, access: Access) -> Result<(), DbErr> {
        match self {
            Self::Postgres(lease) => lease.begin(None).await,
            // A deferred transaction that reads and then writes fails at once with SQLITE_BUSY, whatever the
            // busy timeout says: whoever may write takes the write lock first.
            Self::Sqlite(lease) => {
                lease
                    .begin(match access {
                        Access::ReadOnly => None,
                        Access::ReadWrite => Some("BEGIN IMMEDIATE"),
                    })
                    .await
            }
        }
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        on_lease!(self, lease => lease.execute(statement).await)
    }

    pub(crate) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        on_lease!(self, lease => lease.execute_unprepared(sql).await)
    }

    pub(crate) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        on_lease!(self, lease => lease.query_one(statement).await)
    }

    pub(crate) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        on_lease!(self, lease => lease.query_all(statement).await)
    }

    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        on_lease!(self, lease => lease.commit().await)
    }

    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        on_lease!(self, lease => lease.rollback().await)
    }

    /// Closes the connection without a word to the server, which rolls back what was open on it. For a connection
    /// whose state is in doubt: it must not be used again.
    pub(crate) fn close_hard(self) {
        on_lease!(self, lease => lease.close_hard());
    }
}

/// A connection out of its pool. Empty only while it is being closed.
#[derive(Debug)]
pub(crate) struct Lease<DB: Database>(Option<PoolConnection<DB>>);

impl<DB> Lease<DB>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    DB::QueryResult: Into<ExecResult>,
    DB::Row: Into<QueryResult>,
{
    fn connection(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        match &mut self.0 {
            Some(connection) => Ok(&mut **connection),
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    async fn begin(&mut self, statement: Option<&'static str>) -> Result<(), DbErr> {
        let connection = self.connection().map_err(query_error)?;
        DB::TransactionManager::begin(connection, statement.map(SqlSafeStr::into_sql_str))
            .await
            .map_err(query_error)
    }

    async fn commit(&mut self) -> Result<(), sqlx::Error> {
        DB::TransactionManager::commit(self.connection()?).await
    }

    async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        DB::TransactionManager::rollback(self.connection()?).await
    }

    fn close_hard(mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }

    async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let connection = self.connection().map_err(exec_error)?;
        connection
            .execute(query::<DB>(statement))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let connection = self.connection().map_err(exec_error)?;
        connection
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let connection = self.connection().map_err(query_error)?;
        connection
            .fetch_optional(query::<DB>(statement))
            .await
            .map(|row| row.map(Into::into))
            .map_err(query_error)
    }

    async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let connection = self.connection().map_err(query_error)?;
        let rows = connection
            .fetch_all(query::<DB>(statement))
            .await
            .map_err(query_error)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

impl<DB: Database> Drop for Lease<DB> {
    /// The last resort, when a runtime goes down with a unit still open: the rollback is queued, and sent before the
    /// pool gives the connection to anyone else.
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0
            && DB::TransactionManager::get_transaction_depth(connection) > 0
        {
            DB::TransactionManager::start_rollback(connection);
        }
    }
}

fn query<DB>(statement: Statement) -> sqlx::query::Query<'static, DB, SqlxValues>
where
    DB: Database,
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
