//! The two pools of one database: a writer for mutations and a reader for everything else.
//!
//! Isolation and access mode are properties of the *sessions*, set when a connection is made, so that they cost an
//! operation no statement, and each new connection proves that it has them (`session`):
//!
//! | engine | writer | reader |
//! |---|---|---|
//! | PostgreSQL | READ COMMITTED by default, read-write | REPEATABLE READ, read-only: one snapshot per unit |
//! | SQLite | one connection, `BEGIN IMMEDIATE` | connections opened read-only on the WAL: one snapshot per unit |

use std::{future::Future, str::FromStr, sync::Arc, time::Duration};

use sea_orm::IsolationLevel;
use sqlx::{
    ConnectOptions as _, Connection as _, Postgres, Sqlite,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::timeout;

use crate::{
    Access, ConnectError, DatabaseOptions,
    database::{
        pool::{AnyPool, Limits, OptionsOf, Pool},
        session::{PostgresSession, SessionError, Sessions, SqliteSession},
        sqlite::keeper::Keeper,
    },
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
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1));
    let session = |access, isolation| PostgresSession {
        access,
        must_take_writes: access == Access::ReadWrite,
        isolation,
        statement_timeout: options.statement_timeout,
        idle_in_transaction_timeout: options.idle_in_transaction_timeout,
    };
    let reader = session(Access::ReadOnly, IsolationLevel::RepeatableRead);
    let writer = session(Access::ReadWrite, options.writer_isolation);
    let to_read = base.clone().options(reader.options());
    let to_write = base.options(writer.options());
    // The pool takes a refused connection for a server that is starting, and goes on trying until the time is up; one
    // connection by itself says at once what is wrong.
    first_connections(options, async {
        first_connection::<Postgres>(&to_read, &reader).await?;
        first_connection::<Postgres>(&to_write, &writer).await
    })
    .await?;
    let limits = limits(options, options.max_connections);
    Ok((
        AnyPool::Postgres(Pool::new(to_read, reader, limits)),
        AnyPool::Postgres(Pool::new(to_write, writer, limits)),
    ))
}

/// The reader and the writer of an SQLite file.
pub(crate) async fn sqlite(
    url: &str,
    options: &DatabaseOptions,
) -> Result<(AnyPool, AnyPool, Arc<Keeper>), ConnectError> {
    refuse_shared_or_immutable(url)?;
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
    let to_write = base
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was acknowledged survives a power cut.
        .synchronous(SqliteSynchronous::Full);
    let to_read = base
        .read_only(true)
        .create_if_missing(false)
        // Beside the file's own lock: this can be asked for.
        .pragma("query_only", "ON")
        .row_buffer_size(ROWS_AHEAD);
    let session = |access| SqliteSession {
        access,
        busy_timeout: options.busy_timeout,
        keeper: None,
    };
    let (mut reader, mut writer) = (session(Access::ReadOnly), session(Access::ReadWrite));
    // The writer makes the file and its log.
    let keeper = first_connections(options, async {
        first_connection::<Sqlite>(&to_write, &writer).await?;
        first_connection::<Sqlite>(&to_read, &reader).await?;
        Keeper::open(&to_write).await.map(Arc::new)
    })
    .await?;
    // A file that is gone is not to be made again, empty.
    let to_write = to_write.create_if_missing(false);
    for session in [&mut reader, &mut writer] {
        session.keeper = Some(Arc::clone(&keeper));
    }
    let (readers, one) = (limits(options, options.max_connections), limits(options, 1));
    Ok((
        AnyPool::Sqlite(Pool::new(to_read, reader, readers)),
        AnyPool::Sqlite(Pool::new(to_write, writer, one)),
        keeper,
    ))
}

fn limits(options: &DatabaseOptions, max_connections: u32) -> Limits {
    Limits {
        max_connections,
        acquire_timeout: options.acquire_timeout,
        connect_timeout: options.connect_timeout,
    }
}

/// Readers that share a cache have no snapshots of their own, and those of an immutable file do not see what is written.
fn refuse_shared_or_immutable(url: &str) -> Result<(), ConnectError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let refused = query
        .split('&')
        .find(|pair| matches!(*pair, "cache=shared" | "immutable=true" | "immutable=1"));
    match refused {
        None => Ok(()),
        Some(pair) => Err(ConnectError::InvalidUrl {
            source: sqlx::Error::Configuration(
                format!("`{pair}` takes the snapshots away that a unit of work reads").into(),
            ),
        }),
    }
}

/// Makes a connection as a pool would, and takes leave of it.
async fn first_connection<DB: Sessions>(
    options: &OptionsOf<DB>,
    asked: &DB::Asked,
) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    match DB::prove(&mut connection, asked).await {
        Err(error)
            if matches!(
                SessionError::in_driver_error(&error),
                Some(SessionError::TakesNoWrites(_))
            ) =>
        {
            // Queries can be answered, and a server that takes writes may come.
            tracing::warn!(%error, "mutations will fail until that changes");
        }
        proven => proven?,
    }
    connection.close().await
}

async fn first_connections<T>(
    options: &DatabaseOptions,
    connect: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ConnectError> {
    match timeout(options.connect_timeout, connect).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(source)) => Err(match SessionError::in_driver_error(&source) {
            Some(error) => ConnectError::Session {
                problem: error.to_string(),
            },
            None => ConnectError::Open { source },
        }),
        Err(_) => Err(ConnectError::Timeout {
            after: options.connect_timeout,
        }),
    }
}
