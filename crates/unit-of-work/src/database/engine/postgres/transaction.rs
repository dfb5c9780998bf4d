//! One connection to PostgreSQL: the checks of a new one, and how its transaction begins and ends.

use std::sync::Arc;

use sea_orm::{DbBackend, DbErr};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Postgres, Row as _, SqlSafeStr};

use super::{
    backend::Backend,
    begin::begin_sql,
    servers::{Servers, search},
    session::PostgresSession,
};
use crate::{
    Access,
    database::{
        after_connect::{AfterConnect, Left},
        begin::Begin,
        engine::{AnyLease, Driver, Engine, Peer, outcome::Identity},
        lease::Lease,
        sql::Dialect,
        statements::query_error,
    },
    unit::marker::Marker,
};

impl Engine for Postgres {
    type Target = Servers;
    type Asked = PostgresSession;
    type Peer = Arc<Backend>;

    const BACKEND: DbBackend = DbBackend::Postgres;
    const DIALECT: Dialect = Dialect::Postgres;

    fn hook(asked: &PostgresSession) -> Option<(&AfterConnect, Access)> {
        asked.hook.as_ref().map(|(hook, access)| (hook, *access))
    }

    fn driver(connection: &mut PgConnection) -> Driver<'_> {
        Driver::Postgres(connection)
    }

    async fn left(connection: &mut PgConnection) -> Result<Option<Left>, sqlx::Error> {
        // Outside of a transaction, each message begins one of its own, at the time of its statement. The process's entry has the role that
        // logged in.
        let question = "SELECT (now() <> statement_timestamp())::text, \
                               (session_user <> pg_get_userbyid(usesysid))::text \
                        FROM pg_stat_get_activity(pg_backend_pid())";
        let row = match connection.fetch_one(question).await {
            Ok(row) => row,
            // In a transaction that has failed.
            Err(error) if is_in_failed_transaction(&error) => return Ok(Some(Left::Transaction)),
            Err(error) => return Err(error),
        };
        let is = |column| {
            row.try_get_unchecked::<String, usize>(column)
                .map(|text| text == "true")
        };
        Ok(if is(0)? {
            Some(Left::Transaction)
        } else if is(1)? {
            Some(Left::SessionUser)
        } else {
            None
        })
    }

    async fn prove(
        connection: &mut PgConnection,
        asked: &PostgresSession,
    ) -> Result<(), sqlx::Error> {
        asked.prove(connection).await
    }

    async fn connect(
        servers: &Servers,
        asked: &PostgresSession,
    ) -> Result<(PgConnection, Arc<Backend>), sqlx::Error> {
        search(servers, asked).await
    }

    fn is_outdated(servers: &Servers, backend: &Arc<Backend>) -> bool {
        servers.have_replaced(backend)
    }

    /// sqlx's own transaction manager sends one statement and drops its rows. A simple query can send the settings with BEGIN, in one round
    /// trip.
    async fn begin(lease: &mut Lease<Self>, begin: &Begin) -> Result<(), DbErr> {
        let sql = begin_sql(begin)?;
        lease.begins(begin.access);
        let rows = lease
            .connection
            .fetch_all(AssertSqlSafe(sql))
            .await
            .map_err(query_error)?;
        if begin.identify
            && let Some(row) = rows.last()
        {
            let transaction = row.try_get_unchecked(0).map_err(query_error)?;
            let backend: String = row.try_get_unchecked(1).map_err(query_error)?;
            let peer = lease.connection.peer();
            // If it is another process than before, a pooler has exchanged it, and the transaction has no identity.
            lease.identity = (peer.pid == backend).then(|| Identity {
                transaction,
                peer: Arc::clone(peer).into(),
            });
        }
        Ok(())
    }

    async fn commit(lease: &mut Lease<Self>, marker: Option<&Marker>) -> Result<(), sqlx::Error> {
        match marker {
            None => end(lease, "COMMIT").await,
            Some(marker) => {
                let flight = format!("{}; COMMIT", marker.insert());
                end(lease, AssertSqlSafe(flight)).await
            }
        }
    }

    async fn roll_back(lease: &mut Lease<Self>) -> Result<(), sqlx::Error> {
        end(lease, "ROLLBACK").await
    }

    fn markers(peer: &Arc<Backend>) -> Option<&str> {
        peer.markers.as_deref()
    }
}

async fn end(lease: &mut Lease<Postgres>, statement: impl SqlSafeStr) -> Result<(), sqlx::Error> {
    lease.connection.execute(statement.into_sql_str()).await?;
    lease.has_ended();
    Ok(())
}

impl From<Lease<Postgres>> for AnyLease {
    fn from(lease: Lease<Postgres>) -> Self {
        Self::Postgres(lease)
    }
}

impl From<Arc<Backend>> for Peer {
    fn from(backend: Arc<Backend>) -> Self {
        Self::Postgres(backend)
    }
}

fn is_in_failed_transaction(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.code().as_deref() == Some("25P02"))
}
