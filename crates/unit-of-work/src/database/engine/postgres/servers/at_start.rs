//! The look at all servers of a list when the database is connected to.
//!
//! A failover is a bad time to find out that the server that takes over has another password, another name for the database, or other
//! data. So each server is asked at the start, and one that answers must be usable. One that does not answer may be down for good reasons:
//! the log says so.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, timeout_at};

use super::{
    super::{
        backend::Backend,
        session::{PostgresSession, Role},
    },
    Servers, name, search,
};
use crate::{
    ConnectError, DatabaseOptions,
    database::{
        connect::first_error,
        pool::{may_pass, no_answer},
    },
};

/// How much longer the other servers are waited for when the primary has answered.
const GRACE: Duration = Duration::from_secs(1);

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
    let mut limit = Instant::now() + options.connect_timeout;
    let mut asking: FuturesUnordered<_> = servers
        .each()
        .enumerate()
        .map(|(at, server)| {
            let asked = &asked;
            async move { (at, look(&server, asked).await) }
        })
        .collect();
    let mut failures: Vec<_> = servers.iter().map(|_| Some(no_answer())).collect();
    while let Ok(Some((at, answer))) = timeout_at(limit, asking.next()).await {
        failures[at] = None;
        let judged = match answer {
            Ok(backend) => {
                if !backend.is_standby {
                    limit = limit.min(Instant::now() + GRACE);
                }
                servers.known.history.admit(&backend).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        match judged {
            Err(error) if may_pass(&error) => failures[at] = Some(error),
            Err(error) => {
                return Err(ConnectError::Server {
                    server: name(servers.options(at)),
                    source: Box::new(first_error(error)),
                });
            }
            Ok(()) => {}
        }
    }
    if failures.iter().all(Option::is_some) {
        let failures = failures.into_iter().flatten().enumerate();
        return Err(first_error(search::none(servers, failures.collect())));
    }
    for (at, error) in failures.into_iter().enumerate() {
        if let Some(error) = error {
            tracing::warn!(
                server = name(servers.options(at)), %error,
                "a server of the list cannot be used now"
            );
        }
    }
    Ok(())
}

async fn look(server: &Servers, asked: &PostgresSession) -> Result<Arc<Backend>, sqlx::Error> {
    let (connection, backend): (PgConnection, _) = search::search(server, asked).await?;
    // It is closed even if this fails.
    let _ = connection.close().await;
    Ok(backend)
}
