//! A connection that one unit has taken from its pool, and the statements that SeaORM sends on it.

use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Executor, IntoArguments};

use crate::{
    Access,
    database::{
        engine::{Engine, outcome::Identity},
        pool::Pooled,
    },
};

/// A connection taken from its pool. It is in doubt from BEGIN until its transaction has certainly ended.
#[derive(Debug)]
pub(crate) struct Lease<E: Engine> {
    pub(super) connection: Pooled<E>,
    /// Whether a transaction is, or may be, open.
    pub(super) has_begun: bool,
    pub(super) access: Access,
    /// The transaction's identity, if it can be asked about later.
    pub(super) identity: Option<Identity>,
}

impl<E: Engine> Lease<E> {
    pub(super) fn new(connection: Pooled<E>) -> Self {
        Self {
            connection,
            has_begun: false,
            access: Access::ReadOnly,
            identity: None,
        }
    }

    /// Notes that BEGIN is sent: from now on a transaction may be open.
    pub(super) fn begins(&mut self, access: Access) {
        self.connection.in_doubt(true);
        self.has_begun = true;
        self.access = access;
    }

    /// Notes that the transaction has certainly ended.
    pub(super) fn has_ended(&mut self) {
        self.connection.in_doubt(false);
    }

    /// Waits until the abandoned statement has ended.
    pub(super) async fn end_abandoned(&mut self) -> Result<(), sqlx::Error> {
        sqlx::Connection::ping(&mut *self.connection).await?;
        self.connection.in_doubt(false);
        Ok(())
    }

    pub(super) fn close_hard(mut self) {
        self.connection.in_doubt(true);
    }
}

impl<E> Lease<E>
where
    E: Engine,
    for<'c> &'c mut E::Connection: Executor<'c, Database = E>,
    SqlxValues: IntoArguments<E>,
    E::QueryResult: Into<ExecResult>,
    E::Row: Into<QueryResult>,
{
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.connection
            .execute(query::<E>(statement))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.connection
            .fetch_optional(query::<E>(statement))
            .await
            .map(|row| row.map(Into::into))
            .map_err(query_error)
    }

    pub(super) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self
            .connection
            .fetch_all(query::<E>(statement))
            .await
            .map_err(query_error)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

fn query<DB>(statement: Statement) -> sqlx::query::Query<'static, DB, SqlxValues>
where
    DB: sqlx::Database,
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

pub(super) fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
