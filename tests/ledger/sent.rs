//! A connection that sends values as a unit of work does.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};
use std::ops::Deref;

/// A connection of SeaORM alone. On MariaDB, the driver would send an instant as a `TIMESTAMP`, which ends in 2038: a unit of work sends a
/// `DATETIME`.
pub(crate) struct Sent<C>(pub(crate) C);

impl<C> Deref for Sent<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

fn as_sent(mut statement: Statement) -> Statement {
    if statement.db_backend == DbBackend::MySql {
        let values = statement.values.iter_mut().flat_map(|values| &mut values.0);
        for value in values {
            if let Value::ChronoDateTimeUtc(instant) = value {
                *value = Value::ChronoDateTime(instant.map(|it| it.naive_utc()));
            }
        }
    }
    statement
}

#[async_trait::async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Sent<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(as_sent(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(as_sent(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(as_sent(statement)).await
    }
}
