//! The statements that SeaORM sends on a driver's connection.

use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Connection, Database, Executor, IntoArguments};

/// A driver's connection, for the statements of SeaORM.
pub(crate) struct Statements<'c, C>(&'c mut C);

impl<'c, C> Statements<'c, C> {
    pub(crate) fn on(connection: &'c mut C) -> Self {
        Self(connection)
    }
}

impl<C> Statements<'_, C>
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
    SqlxValues: IntoArguments<C::Database>,
    <C::Database as Database>::QueryResult: Into<ExecResult>,
    <C::Database as Database>::Row: Into<QueryResult>,
{
    pub(crate) async fn execute(self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0
            .execute(query::<C::Database>(statement))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    pub(crate) async fn execute_unprepared(self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    pub(crate) async fn query_one(
        self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.0
            .fetch_optional(query::<C::Database>(statement))
            .await
            .map(|row| row.map(Into::into))
            .map_err(query_error)
    }

    pub(crate) async fn query_all(self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self
            .0
            .fetch_all(query::<C::Database>(statement))
            .await
            .map_err(query_error)?;
        Ok(rows.into_iter().map(Into::into).collect())
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

pub(crate) fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

pub(crate) fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
