//! Connections that are kept for the next unit.
//!
//! Beside the driver's own pool, this one costs the way of an operation nothing: a connection is given back without a
//! question to the server and without a task, and is tested only after it has been idle. It can do so because who uses a
//! connection says when it is in doubt, and one in doubt is closed instead of given back.

use std::{
    fmt,
    io::{self, ErrorKind},
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use deadpool::{
    Runtime,
    managed::{
        Manager, Metrics, Object, PoolError, QueueMode, RecycleResult, TimeoutType, Timeouts,
    },
};
use sqlx::{ConnectOptions, Connection as _, Database, Postgres, Sqlite};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker, task_tracker::TaskTrackerToken};

use crate::{FailureKind, database::session::Sessions};

/// A connection that nobody took for this long is tested before it is used again: the network may have forgotten it.
const TEST_AFTER: Duration = Duration::from_secs(30);

/// A connection is replaced after this long, so that a change of the server (a failover, new settings) reaches all of them,
/// and memory that a session has gathered is given back.
const REPLACE_AFTER: Duration = Duration::from_secs(30 * 60);

/// A connection that does not answer its test for this long is replaced.
const TEST_LIMIT: Duration = Duration::from_secs(1);

/// How long to wait for a database that cannot be reached before it is tried again, at first and at most; up to as much
/// again is added at random.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

pub(crate) type OptionsOf<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

/// The connections to one database, made as they are needed. The one that came back last is taken first.
pub(crate) struct Pool<DB: Sessions> {
    options: OptionsOf<DB>,
    asked: DB::Asked,
    connections: deadpool::managed::Pool<Connector<DB>>,
    limits: Limits,
    /// The connections that are in use.
    used: TaskTracker,
}

/// How long a pool waits for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_connections: u32,
    /// For others to give a connection back.
    pub(crate) acquire_timeout: Duration,
    /// For one connection to be made.
    pub(crate) connect_timeout: Duration,
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
    reach: Reach,
    /// Where connections are made: a socket is looked after by the runtime in which it was opened, and an operation may run in
    /// another one, whose threads are busy with other things.
    runtime: Option<Handle>,
}

/// Whether the database can be reached, as far as is known from those who try to connect.
#[derive(Default)]
struct Reach {
    /// How many connections are being made.
    connecting: AtomicUsize,
    /// Whether the last that was made failed.
    is_lost: AtomicBool,
}

/// A connection that is being made, successfully or not.
struct Connecting<'a>(&'a Reach);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.connecting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reach {
    fn connecting(&self) -> Connecting<'_> {
        self.connecting.fetch_add(1, Ordering::Relaxed);
        Connecting(self)
    }

    /// Said in the log once, and not by each operation that waits.
    fn failed(&self, error: &sqlx::Error) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "no connection to the database can be made; operations wait for it until their deadline");
        }
    }

    fn succeeded(&self) {
        if self.is_lost.load(Ordering::Relaxed) && self.is_lost.swap(false, Ordering::Relaxed) {
            tracing::warn!("the database can be reached again");
        }
    }

    /// Whether nobody of `all` has a connection: it is the database that keeps others waiting, and not what they do.
    fn is_out_of_reach(&self, all: usize) -> bool {
        self.is_lost.load(Ordering::Relaxed) || self.connecting.load(Ordering::Relaxed) >= all
    }
}

impl<DB: Sessions> Manager for Connector<DB> {
    type Type = Open<DB>;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Open<DB>, sqlx::Error> {
        // Boxed, because it is rare and large, and every statement's future would have room for it: any may be the first.
        Box::pin(async {
            let _connecting = self.reach.connecting();
            DB::refuse(&self.asked)?;
            let (options, asked) = (self.options.clone(), self.asked.clone());
            let open = async move {
                let mut connection = options.connect().await?;
                DB::prove(&mut connection, &asked).await?;
                let peer = DB::introduce(&mut connection).await?;
                Ok(Open { connection, peer })
            };
            let is_elsewhere = |runtime: &&Handle| {
                Handle::try_current().is_ok_and(|current| current.id() != runtime.id())
            };
            let Some(runtime) = self.runtime.as_ref().filter(is_elsewhere) else {
                return open.await;
            };
            // Dropped with the operation that asks for it.
            match AbortOnDropHandle::new(runtime.spawn(open)).await {
                Ok(outcome) => outcome,
                Err(error) => Err(sqlx::Error::Io(io::Error::other(error))),
            }
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
    /// A pool of connections, none of which is made yet.
    pub(crate) fn new(options: OptionsOf<DB>, asked: DB::Asked, limits: Limits) -> Self {
        let connector = Connector {
            options: options.clone(),
            asked: asked.clone(),
            reach: Reach::default(),
            runtime: Handle::try_current().ok(),
        };
        let connections = deadpool::managed::Pool::builder(connector)
            .max_size(usize::try_from(limits.max_connections).unwrap_or(usize::MAX))
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .unwrap_or_else(|_| unreachable!("there is a runtime for time-outs"));
        Self {
            options,
            asked,
            connections,
            limits,
            used: TaskTracker::new(),
        }
    }

    /// Another pool of connections that are made as this one's are, also to a server that takes no writes.
    pub(crate) fn beside(&self, max_connections: u32) -> Self {
        let limits = Limits {
            max_connections,
            ..self.limits
        };
        let asked = DB::also_without_writes(&self.asked);
        Self::new(self.options.clone(), asked, limits)
    }

    /// As [`Pool::acquire_until`], for those who have no deadline.
    pub(crate) async fn acquire(&self) -> Result<Pooled<DB>, sqlx::Error> {
        self.acquire_until(None).await
    }

    /// As [`Pool::acquire_for`], with the patience of an operation.
    pub(crate) async fn acquire_until(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Pooled<DB>, sqlx::Error> {
        self.acquire_for(self.limits.acquire_timeout, deadline)
            .await
    }

    /// Waits for a connection, in the order of asking: for others to give one back at most for `patience`, and for a
    /// database that cannot be reached until `deadline`.
    ///
    /// # Errors
    /// `PoolTimedOut` where others keep all connections, `PoolClosed`, and those of connecting: of a database that could
    /// not be reached the last one.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was on its way goes back, or is closed.
    pub(crate) async fn acquire_for(
        &self,
        patience: Duration,
        deadline: Option<Instant>,
    ) -> Result<Pooled<DB>, sqlx::Error> {
        let patience = Instant::now() + patience;
        let deadline = deadline.unwrap_or(patience);
        let reach = &self.connections.manager().reach;
        let mut delays = None;
        loop {
            let used = self.used.token();
            if self.used.is_closed() {
                return Err(sqlx::Error::PoolClosed);
            }
            let now = Instant::now();
            // Whether others or the database keep it waiting is looked at when the deadline is near.
            let turn = if now < deadline {
                patience.min(deadline)
            } else {
                patience
            };
            let timeouts = Timeouts {
                wait: Some(turn.saturating_duration_since(now)),
                create: Some(
                    deadline
                        .saturating_duration_since(now)
                        .min(self.limits.connect_timeout),
                ),
                recycle: Some(TEST_LIMIT),
            };
            let failed = match self.connections.timeout_get(&timeouts).await {
                Ok(connection) => {
                    reach.succeeded();
                    return Ok(Pooled {
                        connection: Some(connection),
                        in_doubt: false,
                        is_changed: false,
                        _used: used,
                    });
                }
                Err(PoolError::Timeout(TimeoutType::Wait)) => {
                    return Err(if self.is_out_of_reach() {
                        no_answer()
                    } else {
                        sqlx::Error::PoolTimedOut
                    });
                }
                Err(PoolError::Timeout(_)) => no_answer(),
                Err(PoolError::Backend(error)) if may_pass(&error) => error,
                Err(PoolError::Backend(error)) => return Err(error),
                Err(_) => return Err(sqlx::Error::PoolClosed),
            };
            reach.failed(&failed);
            let delay = delays
                .get_or_insert_with(delays_of_asking)
                .next()
                .unwrap_or(ASK_AGAIN.1);
            if Instant::now() + delay >= deadline {
                return Err(failed);
            }
            sleep(delay).await;
        }
    }

    /// Whether operations that wait for a connection wait for the database, and not for each other.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        let all = self.connections.status().max_size;
        self.connections.manager().reach.is_out_of_reach(all)
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

    /// Says that its server takes no writes any more: it is closed when it is dropped, and those that are idle with it, so
    /// that the next ones are made anew.
    pub(crate) fn leave_server(&mut self) {
        self.is_changed = true;
        if let Some(pool) = self.connection.as_ref().and_then(Object::pool) {
            pool.retain(|_, _| false);
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
    /// As [`Pool::is_out_of_reach`].
    pub(crate) fn is_out_of_reach(&self) -> bool {
        match self {
            Self::Postgres(pool) => pool.is_out_of_reach(),
            Self::Sqlite(pool) => pool.is_out_of_reach(),
        }
    }

    /// As [`Pool::close`].
    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

/// Whether a connection that could not be made may be made in a moment: nobody listens, a proxy has no server to lead to,
/// the server starts, stops, is full, or has become a standby. A wrong password, a database that does not exist or a session
/// that is not as asked do not pass.
fn may_pass(error: &sqlx::Error) -> bool {
    match FailureKind::of_driver(error) {
        FailureKind::ConnectionLost => !is_forbidden(error),
        kind => kind == FailureKind::Unavailable,
    }
}

fn is_forbidden(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::PermissionDenied)
}

pub(crate) fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        ErrorKind::TimedOut,
        "the database does not answer",
    ))
}

fn delays_of_asking() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(ASK_AGAIN.0)
        .with_max_delay(ASK_AGAIN.1)
        .without_max_times()
        .with_jitter()
        .build()
}
