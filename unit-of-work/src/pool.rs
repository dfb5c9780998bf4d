//! Connections that are kept for the next unit.
//!
//! Beside the driver's own pool, this one costs the way of an operation nothing: a connection is given back without a
//! question to the server and without a task, and is tested only after it has been idle. It can do so because who uses a
//! connection says when it is in doubt, and one in doubt is closed instead of given back.

use std::{
    fmt,
    io::ErrorKind,
    ops::{Deref, DerefMut},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, Object, PoolError, QueueMode, RecycleResult};
use sqlx::{ConnectOptions, Connection as _, Database, Postgres, Sqlite};
use tokio::time::{sleep, timeout};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::session::Sessions;

/// A connection that nobody took for this long is tested before it is used again: the network may have forgotten it.
const TEST_AFTER: Duration = Duration::from_secs(30);

/// A connection is replaced after this long, so that a change of the server (a failover, new settings) reaches all of them,
/// and memory that a session has gathered is given back.
const REPLACE_AFTER: Duration = Duration::from_secs(30 * 60);

/// How long to wait for a server that is starting before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) type OptionsOf<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

/// The connections to one database, made as they are needed. The one that came back last is taken first.
pub(crate) struct Pool<DB: Sessions> {
    options: OptionsOf<DB>,
    asked: DB::Asked,
    connections: deadpool::managed::Pool<Connector<DB>>,
    acquire_timeout: Duration,
    /// The connections that are in use.
    used: TaskTracker,
}

/// A connection that goes back to its pool when it is dropped, or is closed if it is in doubt.
pub(crate) struct Pooled<DB: Sessions> {
    /// Taken only when this is dropped.
    connection: Option<Object<Connector<DB>>>,
    in_doubt: bool,
    /// Something of one unit would stay for the next.
    is_changed: bool,
    _used: TaskTrackerToken,
}

/// A connection, and what is at its other end.
struct Open<DB: Sessions> {
    connection: DB::Connection,
    peer: DB::Peer,
}

/// Makes connections, and looks at those that are used again.
struct Connector<DB: Sessions> {
    options: OptionsOf<DB>,
    asked: DB::Asked,
}

impl<DB: Sessions> Manager for Connector<DB> {
    type Type = Open<DB>;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Open<DB>, sqlx::Error> {
        // Boxed, because it is rare and large, and every statement's future would have room for it: any may be the first.
        Box::pin(async {
            let mut connection = self.options.connect().await?;
            DB::prove(&mut connection, &self.asked).await?;
            let peer = DB::introduce(&mut connection).await?;
            Ok(Open { connection, peer })
        })
        .await
    }

    async fn recycle(&self, open: &mut Open<DB>, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > REPLACE_AFTER {
            return Err(deadpool::managed::RecycleError::message("it is old"));
        }
        if metrics.last_used() > TEST_AFTER {
            open.connection.ping().await?;
        }
        Ok(())
    }
}

impl<DB: Sessions> Pool<DB> {
    /// A pool of at most so many connections, none of which is made yet.
    pub(crate) fn new(
        options: OptionsOf<DB>,
        asked: DB::Asked,
        max_connections: u32,
        acquire_timeout: Duration,
    ) -> Self {
        let connector = Connector {
            options: options.clone(),
            asked: asked.clone(),
        };
        let connections = deadpool::managed::Pool::builder(connector)
            .max_size(usize::try_from(max_connections).unwrap_or(usize::MAX))
            .queue_mode(QueueMode::Lifo)
            .build()
            .unwrap_or_else(|_| unreachable!("only time-outs need a runtime, and there are none"));
        Self {
            options,
            asked,
            connections,
            acquire_timeout,
            used: TaskTracker::new(),
        }
    }

    /// Another pool of connections that are made as this one's are, also to a server that takes no writes.
    pub(crate) fn beside(&self, max_connections: u32) -> Self {
        let asked = DB::also_without_writes(&self.asked);
        Self::new(
            self.options.clone(),
            asked,
            max_connections,
            self.acquire_timeout,
        )
    }

    /// Waits for a connection, in the order of asking. A server that is starting, or has no room, is waited for likewise.
    ///
    /// # Errors
    /// `PoolTimedOut` and `PoolClosed`, and those of connecting.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was on its way goes back, or is closed.
    pub(crate) async fn acquire(&self) -> Result<Pooled<DB>, sqlx::Error> {
        timeout(self.acquire_timeout, self.connection())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn connection(&self) -> Result<Pooled<DB>, sqlx::Error> {
        loop {
            let used = self.used.token();
            if self.used.is_closed() {
                return Err(sqlx::Error::PoolClosed);
            }
            match self.connections.get().await {
                Ok(connection) => {
                    return Ok(Pooled {
                        connection: Some(connection),
                        in_doubt: false,
                        is_changed: false,
                        _used: used,
                    });
                }
                Err(PoolError::Backend(error)) if is_not_ready(&error) => sleep(ASK_AGAIN).await,
                Err(PoolError::Backend(error)) => return Err(error),
                Err(_) => return Err(sqlx::Error::PoolClosed),
            }
        }
    }

    /// Gives out no more connections, waits for those in use, and takes leave of the server on each.
    pub(crate) async fn close(&self) {
        self.used.close();
        self.used.wait().await;
        for connection in self.connections.retain(|_, _| false).removed {
            // It is closed, one way or the other.
            let _ = connection.connection.close().await;
        }
        self.connections.close();
    }
}

impl<DB: Sessions> fmt::Debug for Pool<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("status", &self.connections.status())
            .finish_non_exhaustive()
    }
}

impl<DB: Sessions> Pooled<DB> {
    /// Says whether the connection is in doubt: something is under way or open on it, and it must not be used again as it
    /// is. Dropped so, it is closed without a word to the server, which rolls back what was open.
    pub(crate) fn in_doubt(&mut self, in_doubt: bool) {
        self.in_doubt = in_doubt;
    }

    /// What is at the other end.
    pub(crate) fn peer(&self) -> &DB::Peer {
        match &self.connection {
            Some(open) => &open.peer,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }

    /// Says that its session is not what it was: it is closed when it is dropped. To put the session back
    /// (`DISCARD ALL`) would take the prepared statements that the driver counts on.
    pub(crate) fn close_after_use(&mut self) {
        self.is_changed = true;
    }
}

impl<DB: Sessions> Drop for Pooled<DB> {
    fn drop(&mut self) {
        if (self.in_doubt || self.is_changed)
            && let Some(connection) = self.connection.take()
        {
            drop(Object::take(connection));
        }
    }
}

impl<DB: Sessions> Deref for Pooled<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match &self.connection {
            Some(open) => &open.connection,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }
}

impl<DB: Sessions> DerefMut for Pooled<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match &mut self.connection {
            Some(open) => &mut open.connection,
            None => unreachable!("it is taken only when this is dropped"),
        }
    }
}

impl<DB: Sessions> fmt::Debug for Pooled<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pooled").finish_non_exhaustive()
    }
}

/// A pool of either engine.
#[derive(Debug)]
pub(crate) enum AnyPool {
    Postgres(Pool<Postgres>),
    Sqlite(Pool<Sqlite>),
}

impl AnyPool {
    /// As [`Pool::close`].
    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

/// Whether a server may be there in a moment: it refuses connections (it is being restarted), says that it is starting
/// (57P03), or has no connection left (53300).
fn is_not_ready(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("57P03" | "53300"))
        }
        _ => false,
    }
}
