//! The search for a server that has the role that is asked for.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, Postgres, Row as _};

use super::{
    super::{
        backend::Backend,
        session::{PostgresSession, Role},
    },
    Servers, name,
};
use crate::database::{
    connect::prepare,
    engine::{
        servers::{first, none},
        session::SessionError,
    },
};

type Found = (PgConnection, Arc<Backend>);

/// Makes a connection to the server of the list that has the role. The servers are asked one after the other: the next one as soon as one was
/// not what is asked for, or has been silent for a while.
///
/// # Errors
/// If no server can be used: [`SessionError::NoServer`] if that may pass, and else the error of the first. Of a list of one, its error.
///
/// # Cancel safety
/// Cancel safe: connections that are being made are closed.
pub(in super::super) async fn search(
    servers: &Servers,
    asked: &PostgresSession,
) -> Result<Found, sqlx::Error> {
    if servers.is_one() {
        return ask(servers, 0, asked).await;
    }
    let found = first(servers.order(), |at| ask(servers, at, asked)).await;
    let (at, found) = found.map_err(|failed| none(|at| name(servers.options(at)), failed))?;
    servers.known.last.store(at, Relaxed);
    Ok(found)
}

async fn ask(servers: &Servers, at: usize, asked: &PostgresSession) -> Result<Found, sqlx::Error> {
    let mut connection = servers.options(at).connect().await?;
    if !servers.is_one() && asked.role == Role::Primary && asked.hook.is_some() {
        // The hook may write, so it must not have a standby.
        refuse_standby(&mut connection).await?;
    }
    prepare::<Postgres>(&mut connection, asked).await?;
    let name = servers.are_told.then(|| name(servers.options(at)));
    let backend = Backend::introduce(&mut connection, servers.first + at, name).await?;
    if !servers.is_one()
        && let Err(refused) = servers.known.history.admit(&backend)
    {
        // It is closed even if this fails.
        let _ = connection.close().await;
        return Err(refused.into());
    }
    Ok((connection, Arc::new(backend)))
}

async fn refuse_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = connection
        .fetch_one("SELECT pg_is_in_recovery()::text")
        .await?;
    match row.try_get_unchecked::<String, _>(0)?.as_str() {
        "false" => Ok(()),
        _ => Err(SessionError::STANDBY.into()),
    }
}
