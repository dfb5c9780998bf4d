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

use super::session::READ_ONLY;

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
            let sql = match &connection.peer().node {
                None => "SELECT @@read_only",
                // A node without its cluster answers what it can without a table.
                Some(_) => "SELECT @@read_only, MAX(commits) FROM unit_of_work_writer",
            };
            match connection.fetch_one(sql).await {
                // The connection was lost while idle. That says nothing about the current server.
                Err(error) if FailureKind::of_driver(&error) == FailureKind::ConnectionLost => {
                    if let Some(node) = &connection.peer().node {
                        node.is_lost();
                    }
                }
                row => break (connection, row?),
            }
        };
        connection.in_doubt(false);
        // By the text protocol, so the value is text.
        let read_only: String = row.try_get_unchecked(0)?;
        if read_only == "0" {
            return Ok(());
        }
        connection.leave_server();
        Err(SessionError::TakesNoWrites(READ_ONLY).into())
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
