//! The look at all servers of a list when the database is connected to.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};

use super::{
    super::{
        backend::Backend,
        session::{PostgresSession, Role},
    },
    Servers, name, search,
};
use crate::{ConnectError, DatabaseOptions, database::engine};

/// Asks all servers of a list of several, as their readers would, whatever their role is.
///
/// # Errors
/// [`ConnectError::Server`] for a server that answers and cannot be used, and [`ConnectError::Open`] if none answers.
pub(in super::super) async fn check_all(
    servers: &Servers,
    reader: &PostgresSession,
    options: &DatabaseOptions,
) -> Result<(), ConnectError> {
    let asked = PostgresSession {
        role: Role::Any,
        ..reader.clone()
    };
    let each: Vec<_> = servers.each().collect();
    let names: Vec<_> = servers.iter().map(name).collect();
    let look = async |at: usize| {
        let backend = look(&each[at], &asked).await?;
        servers.known.history.admit(&backend)?;
        Ok(!backend.is_standby)
    };
    engine::servers::check_all(&names, look, options).await
}

async fn look(server: &Servers, asked: &PostgresSession) -> Result<Arc<Backend>, sqlx::Error> {
    let (connection, backend): (PgConnection, _) = search::search(server, asked).await?;
    // It is closed even if this fails.
    let _ = connection.close().await;
    Ok(backend)
}
