//! One connection to PostgreSQL: the checks of a new one, and how its transaction begins and ends.

use std::{convert::Infallible, num::NonZero, sync::Arc};

use futures_util::TryStreamExt as _;
use sea_orm::{DbBackend, DbErr};
use sqlx::{
    AssertSqlSafe, Either, Executor as _, PgConnection, Postgres, Row as _, SqlSafeStr,
    postgres::PgRow,
};

use super::{
    backend::Backend,
    begin::begin_sql,
    position::{Position, question},
    replicas::honours,
    servers::{Servers, search},
    session::PostgresSession,
};
use crate::{
    Access, ConsistencyToken, UnitError,
    database::{
        after_connect::{AfterConnect, Left},
        begin::Begin,
        engine::{AnyLease, Driver, Engine, Peer, outcome::Identity},
        lease::Lease,
        sql::Dialect,
        statements::{Statements, query_error},
    },
    observe::server::NamedServer,
    unit::marker::Marker,
};

impl Engine for Postgres {
    type Target = Servers;
    type Asked = PostgresSession;
    type Peer = Arc<Backend>;
    type Rows = Infallible;
    type Known = ();
    type Statements<'c> = Statements<'c, PgConnection>;

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
        let sql = begin_sql(begin, question(lease.connection.peer()))?;
        lease.begins(begin.access);
        lease.locates = begin.locate && begin.access == Access::ReadWrite;
        let rows = lease
            .connection
            .fetch_all(AssertSqlSafe(sql))
            .await
            .map_err(query_error)?;
        if begin.locate && !lease.locates {
            // A snapshot of which it is not known what it can have is not read.
            let position = located(lease, &rows).ok_or_else(|| query_error(not_told()))?;
            let peer = lease.connection.peer();
            if let Some(included) = position.included(peer) {
                peer.prove(included);
            }
        }
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

    fn statements(lease: &mut Lease<Self>) -> Statements<'_, PgConnection> {
        Statements::on(&mut lease.connection)
    }

    fn narrow(rows: &Infallible, _text: &str) -> Result<Option<String>, UnitError> {
        match *rows {}
    }

    fn latest(peer: &Arc<Backend>) -> Option<ConsistencyToken> {
        Some(ConsistencyToken {
            timeline: Some(NonZero::new(peer.server.as_ref()?.timeline)?),
            position: NonZero::<u64>::MAX,
            system: peer.system_number()?,
        })
    }

    fn honours(peer: &Arc<Backend>, token: &ConsistencyToken) -> Result<(), sqlx::Error> {
        honours(peer, token)
    }

    async fn locate(lease: &mut Lease<Self>) -> Result<(), sqlx::Error> {
        lease.connection.in_doubt(true);
        let question = question(lease.connection.peer());
        let rows = lease.connection.fetch_all(question).await?;
        lease.connection.in_doubt(false);
        located(lease, &rows).map(drop).ok_or_else(not_told)
    }

    async fn commit(lease: &mut Lease<Self>, marker: Option<&Marker>) -> Result<(), sqlx::Error> {
        match marker {
            None if lease.locates => end_and_locate(lease, "COMMIT", 1).await,
            None => end(lease, "COMMIT").await,
            Some(marker) => {
                let flight = format!("{}; COMMIT", marker.insert(Self::BACKEND));
                if lease.locates {
                    return end_and_locate(lease, &flight, 2).await;
                }
                end(lease, AssertSqlSafe(flight)).await
            }
        }
    }

    async fn roll_back(lease: &mut Lease<Self>) -> Result<(), sqlx::Error> {
        if lease.locates {
            return end_and_locate(lease, "ROLLBACK", 1).await;
        }
        end(lease, "ROLLBACK").await
    }

    fn server(peer: &Arc<Backend>) -> Option<&Arc<NamedServer>> {
        peer.named.as_ref()
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

/// As [`end`], and then asks the server for its position, in the same flight. `statements` is how many the flight has before that question.
///
/// # Errors
/// Those of the end. If only the question after it fails, the position is not known, and the connection stays in doubt.
async fn end_and_locate(
    lease: &mut Lease<Postgres>,
    flight: &str,
    statements: usize,
) -> Result<(), sqlx::Error> {
    let question = question(lease.connection.peer());
    let flight = AssertSqlSafe(format!("{flight}; {question}"));
    let (mut answered, mut rows) = (0, Vec::new());
    {
        let mut answers = lease.connection.fetch_many(flight);
        loop {
            match answers.try_next().await {
                Ok(Some(Either::Left(_))) => answered += 1,
                Ok(Some(Either::Right(row))) => rows.push(row),
                Ok(None) if answered < statements => return Err(not_told()),
                Ok(None) => break,
                Err(error) if answered < statements => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "a transaction has ended, and the server does not say where it is");
                    return Ok(());
                }
            }
        }
    }
    located(lease, &rows);
    lease.has_ended();
    Ok(())
}

/// Notes the server's position, which the last rows of a flight have. `None` if the server does not tell.
fn located(lease: &mut Lease<Postgres>, rows: &[PgRow]) -> Option<Position> {
    let position = Position::answered(rows, lease.connection.peer())?;
    lease.position = Some(Box::new(position.seen(lease.connection.peer())?));
    Some(position)
}

/// The error where a server does not say where it is.
fn not_told() -> sqlx::Error {
    sqlx::Error::Protocol("the server does not say where it is".to_owned())
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
