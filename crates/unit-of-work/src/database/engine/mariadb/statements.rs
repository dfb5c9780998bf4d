//! Statements whose driver is never dropped half way.
//!
//! sqlx's driver for MySQL reads a message in several steps, and forgets where it was if its future is dropped between them
//! (<https://github.com/launchbadge/sqlx/issues/563>). Then the next statement would read the rest of an answer that is not its own. But
//! the contract has it that a resolver may be dropped in a statement, and others go on. So the future that runs a statement belongs to
//! the lease. If its caller is dropped, it stays there, and goes on when the connection is used next.
//!
//! On a node of a cluster, a statement may be given up before it is answered ([`Node::is_out_of_reach`](super::servers::Node)).

use std::sync::Arc;

use sea_orm::{DbErr, ExecResult, QueryResult, Statement, Value};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySql, MySqlConnection};

use crate::database::{
    lease::Lease,
    pool::no_answer,
    statements::{Statements, exec_error, query_error},
};

/// How many prepared statements a connection keeps. The server has room for 16,382, of all connections of all its clients.
pub(super) const STATEMENTS: usize = 100;

/// The connection of a lease, for the statements of SeaORM.
pub(crate) struct CarriedStatements<'c>(&'c mut Lease<MySql>);

impl<'c> CarriedStatements<'c> {
    pub(super) fn on(lease: &'c mut Lease<MySql>) -> Self {
        Self(lease)
    }

    pub(crate) async fn execute(self, statement: Statement) -> Result<ExecResult, DbErr> {
        let run = async move |mut connection| {
            let done = execute(&mut connection, statement).await;
            (connection, done)
        };
        self.carry(run).await
    }

    pub(crate) async fn execute_unprepared(self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sql.to_owned();
        let run = async move |mut connection| {
            let done = Statements::on(&mut connection)
                .execute_unprepared(&sql)
                .await;
            (connection, done)
        };
        self.carry(run).await
    }

    pub(crate) async fn query_one(
        self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        let run = async move |mut connection| {
            let done = query_one(&mut connection, statement).await;
            (connection, done)
        };
        self.carry(run).await
    }

    pub(crate) async fn query_all(self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let run = async move |mut connection| {
            let done = query_all(&mut connection, statement).await;
            (connection, done)
        };
        self.carry(run).await
    }
}

impl CarriedStatements<'_> {
    /// Runs a statement. Gives it up, and the connection with it, if its node can no longer be reached.
    async fn carry<T, F>(self, run: impl FnOnce(MySqlConnection) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = (MySqlConnection, Result<T, DbErr>)> + Send + 'static,
    {
        let lease = self.0;
        lease.check_reach().map_err(query_error)?;
        let peer = Arc::clone(lease.connection.peer());
        let Some(node) = &peer.node else {
            return lease.carry(run).await;
        };
        let answered = tokio::select! {
            biased;
            answered = lease.carry(run) => Some(answered),
            () = node.is_out_of_reach() => None,
        };
        answered.unwrap_or_else(|| {
            lease.give_up();
            Err(query_error(no_answer()))
        })
    }
}

async fn execute(
    connection: &mut MySqlConnection,
    statement: Statement,
) -> Result<ExecResult, DbErr> {
    if is_one_flight(&statement) {
        let sent = connection.execute(AssertSqlSafe(statement.sql)).await;
        return sent.map(Into::into).map_err(exec_error);
    }
    make_room(connection).await.map_err(exec_error)?;
    let statement = with_plain_instants(statement);
    Statements::on(connection).execute(statement).await
}

async fn query_one(
    connection: &mut MySqlConnection,
    statement: Statement,
) -> Result<Option<QueryResult>, DbErr> {
    if is_one_flight(&statement) {
        let row = connection
            .fetch_optional(AssertSqlSafe(statement.sql))
            .await;
        return row.map(|row| row.map(Into::into)).map_err(query_error);
    }
    make_room(connection).await.map_err(query_error)?;
    let statement = with_plain_instants(statement);
    Statements::on(connection).query_one(statement).await
}

async fn query_all(
    connection: &mut MySqlConnection,
    statement: Statement,
) -> Result<Vec<QueryResult>, DbErr> {
    if is_one_flight(&statement) {
        let rows = connection.fetch_all(AssertSqlSafe(statement.sql)).await;
        let rows = rows.map_err(query_error)?;
        return Ok(rows.into_iter().map(Into::into).collect());
    }
    make_room(connection).await.map_err(query_error)?;
    let statement = with_plain_instants(statement);
    Statements::on(connection).query_all(statement).await
}

/// The statement, with instants that are sent as `DATETIME`, in UTC, which is the time zone of all sessions.
///
/// The driver sends an instant that has a time zone as a `TIMESTAMP`. The server takes one before 1970 or after January 2038 for NULL, without an
/// error: it would be stored as NULL, and no row would be before or after it.
fn with_plain_instants(mut statement: Statement) -> Statement {
    let values = statement.values.iter_mut().flat_map(|values| &mut values.0);
    for value in values {
        let utc = match value {
            Value::ChronoDateTimeUtc(instant) => instant.map(|it| it.naive_utc()),
            Value::ChronoDateTimeLocal(instant) => instant.map(|it| it.naive_utc()),
            Value::ChronoDateTimeWithTimeZone(instant) => instant.map(|it| it.naive_utc()),
            _ => continue,
        };
        *value = Value::ChronoDateTime(utc);
    }
    statement
}

/// Whether a statement is sent as it is. To prepare one without values would take another round trip, and its text, which has the values in it,
/// would hardly come again. Several statements in one text are left to PREPARE, which refuses them.
fn is_one_flight(statement: &Statement) -> bool {
    let has_values = statement
        .values
        .as_ref()
        .is_some_and(|values| !values.0.is_empty());
    !has_values && memchr::memchr(b';', statement.sql.as_bytes()).is_none()
}

/// Closes all prepared statements, if there is no room for another one.
///
/// The driver would close one before each new one. That is a message without an answer, and the message after it waits for the server's
/// acknowledgement of it, which takes 40 milliseconds: the driver does not set TCP_NODELAY.
async fn make_room(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    if connection.cached_statements_size() >= STATEMENTS {
        connection.clear_cached_statements().await?;
    }
    Ok(())
}
