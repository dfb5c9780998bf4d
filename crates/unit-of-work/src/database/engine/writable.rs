//! Checks whether a server accepts writes now, for the engines with a network.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};

use super::{Engine, session::SessionError};
use crate::{
    Database, FailureKind,
    database::pool::{Pool, Pooled, no_answer},
};

/// Asks a writer's connection whether its server takes writes. `refused` says why, if it does not.
///
/// # Errors
/// Why no writes can be committed now.
pub(super) async fn check<E: Engine>(
    pool: &Pool<E>,
    database: &Database,
    limit: Duration,
    ask: impl for<'c> Fn(&'c mut Pooled<E>) -> BoxFuture<'c, Result<bool, sqlx::Error>>,
    refused: &'static str,
) -> Result<(), sqlx::Error> {
    if database.health().was_full_just_now() {
        return Err(no_room());
    }
    let asked = async {
        let deadline = Instant::now() + limit;
        let (mut connection, takes_writes) = loop {
            let mut connection = pool.acquire_for(limit / 2, Some(deadline)).await?;
            connection.in_doubt(true);
            match ask(&mut connection).await {
                // The connection was lost while idle. That says nothing about the current server.
                Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {
                    E::failed(connection.peer(), FailureKind::ConnectionLost);
                }
                answer => break (connection, answer?),
            }
        };
        connection.in_doubt(false);
        if takes_writes {
            return Ok(());
        }
        connection.leave_server();
        Err(SessionError::TakesNoWrites(refused).into())
    };
    timeout(limit, asked)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

/// The error while a recent write has found no room. These engines have no small write that would show whether there is room again.
fn no_room() -> sqlx::Error {
    let error = std::io::Error::new(
        std::io::ErrorKind::StorageFull,
        "a write has just found no room",
    );
    sqlx::Error::Io(error)
}
