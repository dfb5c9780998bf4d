//! Checks whether PostgreSQL accepts writes now.

use std::time::Duration;

use sqlx::{Executor as _, Postgres, Row as _};
use tokio::time::{Instant, timeout};

use crate::{
    Database, FailureKind,
    database::{
        engine::session::SessionError,
        pool::{Pool, no_answer},
    },
};

const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

pub(super) async fn check(
    pool: &Pool<Postgres>,
    database: &Database,
    limit: Duration,
) -> Result<(), sqlx::Error> {
    if database.health().was_full_just_now() {
        return Err(no_room());
    }
    let ask = async {
        let deadline = Instant::now() + limit;
        let (mut connection, row) = loop {
            let mut connection = pool.acquire_for(limit / 2, Some(deadline)).await?;
            connection.in_doubt(true);
            match connection.fetch_one(TAKES_WRITES).await {
                // The connection was lost while idle. That says nothing about the current server.
                Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {}
                row => break (connection, row?),
            }
        };
        connection.in_doubt(false);
        // By the simple protocol, so the value is text.
        let takes_writes: String = row.try_get_unchecked(0)?;
        if takes_writes == "t" {
            return Ok(());
        }
        connection.leave_server();
        let error = SessionError::TakesNoWrites("the server is a standby, or is read-only");
        Err(error.into())
    };
    timeout(limit, ask)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

/// The error while a recent write has found no room. PostgreSQL has no small write that would show whether there is room again.
fn no_room() -> sqlx::Error {
    let error = std::io::Error::new(
        std::io::ErrorKind::StorageFull,
        "a write has just found no room",
    );
    sqlx::Error::Io(error)
}
