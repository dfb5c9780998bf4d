//! The two pools of one database: a writer for mutations and a reader for everything else.
//!
//! Isolation and access mode are properties of the *sessions*, set when a connection is made, so that they cost an
//! operation no statement:
//!
//! | engine | writer | reader |
//! |---|---|---|
//! | PostgreSQL | READ COMMITTED by default, read-write | REPEATABLE READ, read-only: one snapshot per unit |
//! | SQLite | one connection, `BEGIN IMMEDIATE` | connections opened read-only on the WAL: one snapshot per unit |

use std::{future::Future, str::FromStr, time::Duration};

use sea_orm::IsolationLevel;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::timeout;

use crate::{
    ConnectError, DatabaseOptions,
    pool::{AnyPool, Pool},
};

/// How many rows SQLite, in a thread of its own, may be ahead of who takes them: each time that it has to wait is a turn of
/// both threads.
const ROWS_AHEAD: usize = 1024;

/// The reader and the writer of a PostgreSQL database.
pub(crate) async fn postgres(
    url: &str,
    options: &DatabaseOptions,
) -> Result<(AnyPool, AnyPool), ConnectError> {
    let base = PgConnectOptions::from_str(url)
        .map_err(|source| ConnectError::InvalidUrl { source })?
        .application_name(&options.application_name)
        .options(
            [
                ("statement_timeout", options.statement_timeout),
                (
                    "idle_in_transaction_session_timeout",
                    options.idle_in_transaction_timeout,
                ),
            ]
            .map(|(name, limit)| (name, limit.as_millis().to_string())),
        )
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1));
    // The pool takes a refused connection for a server that is starting, and goes on trying until the time is up; one
    // connection by itself says at once what is wrong.
    first_connection(options, async {
        PgConnection::connect_with(&base).await?.close().await
    })
    .await?;
    let reader = base.clone().options([
        (
            "default_transaction_isolation",
            IsolationLevel::RepeatableRead.to_string().to_lowercase(),
        ),
        ("default_transaction_read_only", "on".to_owned()),
    ]);
    let writer = base.options([(
        "default_transaction_isolation",
        options.writer_isolation.to_string().to_lowercase(),
    )]);
    let pool = |connect, size| Pool::new(connect, size, options.acquire_timeout);
    Ok((
        AnyPool::Postgres(pool(reader, options.max_connections)),
        AnyPool::Postgres(pool(writer, options.max_connections)),
    ))
}

/// The reader and the writer of an SQLite file.
pub(crate) async fn sqlite(
    url: &str,
    options: &DatabaseOptions,
) -> Result<(AnyPool, AnyPool), ConnectError> {
    let base = SqliteConnectOptions::from_str(url)
        .map_err(|source| ConnectError::InvalidUrl { source })?
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1));
    // A memory database has no WAL and dies with its last connection: neither snapshots nor two pools.
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(ConnectError::InMemory);
    }
    let writer = base
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was acknowledged survives a power cut.
        .synchronous(SqliteSynchronous::Full);
    first_connection(options, async {
        SqliteConnection::connect_with(&writer).await?.close().await
    })
    .await?;
    let reader = base
        .read_only(true)
        .create_if_missing(false)
        .row_buffer_size(ROWS_AHEAD);
    let pool = |connect, size| Pool::new(connect, size, options.acquire_timeout);
    Ok((
        AnyPool::Sqlite(pool(reader, options.max_connections)),
        AnyPool::Sqlite(pool(writer, 1)),
    ))
}

async fn first_connection(
    options: &DatabaseOptions,
    connect: impl Future<Output = Result<(), sqlx::Error>>,
) -> Result<(), ConnectError> {
    match timeout(options.connect_timeout, connect).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(ConnectError::Open { source }),
        Err(_) => Err(ConnectError::Timeout {
            after: options.connect_timeout,
        }),
    }
}
