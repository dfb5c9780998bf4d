//! Checks whether MariaDB accepts writes now.

use std::time::Duration;

use sqlx::{Executor as _, MySql, Row as _};
use tokio::time::{Instant, timeout};

use crate::{
    Database, FailureKind,
    database::{
        engine::session::SessionError,
        pool::{Pool, no_answer},
    },
};

/// Why it takes no writes, or the empty text. A node of Galera answers simple questions whatever state it is in.
const WHY_NOT: &str = "\
    SELECT CASE WHEN @@read_only THEN 'read_only' \
                WHEN @@wsrep_on AND NOT EXISTS (SELECT 1 FROM information_schema.GLOBAL_STATUS \
                     WHERE VARIABLE_NAME = 'WSREP_READY' AND VARIABLE_VALUE = 'ON') THEN 'wsrep' \
                ELSE '' END";

pub(super) async fn check(
    pool: &Pool<MySql>,
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
            match connection.fetch_one(WHY_NOT).await {
                // The connection was lost while idle. That says nothing about the current server.
                Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {}
                row => break (connection, row?),
            }
        };
        connection.in_doubt(false);
        let why_not: String = row.try_get_unchecked(0)?;
        let error = match why_not.as_str() {
            "" => return Ok(()),
            "wsrep" => "the node is not part of its cluster now",
            _ => "`read_only` is on for the server",
        };
        connection.leave_server();
        Err(SessionError::TakesNoWrites(error).into())
    };
    timeout(limit, ask)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

/// The error while a recent write has found no room. MariaDB has no small write that would show whether there is room again.
fn no_room() -> sqlx::Error {
    let error = std::io::Error::new(
        std::io::ErrorKind::StorageFull,
        "a write has just found no room",
    );
    sqlx::Error::Io(error)
}
