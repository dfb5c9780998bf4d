//! Pools of connections.
//!
//! Unlike sqlx's pool, releasing a connection needs no round trip and no task, and a connection is tested only after it has been idle. That
//! is safe because a unit marks its connection as *in doubt* while something is under way on it, and a connection in doubt is closed
//! instead of kept.

mod connector;
mod doubt;
mod pooled;
mod reach;

use std::{fmt, time::Duration};

use deadpool::{
    Runtime,
    managed::{PoolError, QueueMode, TimeoutType, Timeouts},
};
use sqlx::Connection as _;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

pub(crate) use self::{
    pooled::Pooled,
    reach::{may_pass, no_answer},
};

use self::{
    connector::Connector,
    doubt::Doubt,
    reach::{ASK_AGAIN, Reach, delays_of_asking},
};
use crate::database::engine::Engine;

/// How long a connection may take to answer its test before it is replaced.
const TEST_LIMIT: Duration = Duration::from_secs(1);

/// The connections to one database, made when they are needed. The most recently used one is taken first.
pub(crate) struct Pool<DB: Engine> {
    asked: DB::Asked,
    connections: deadpool::managed::Pool<Connector<DB>>,
    limits: Limits,
    /// The connections that are in use.
    used: TaskTracker,
}

/// The time-outs of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_connections: u32,
    /// How long to wait for a connection that others are using.
    pub(crate) acquire_timeout: Duration,
    /// How long it may take to make one connection.
    pub(crate) connect_timeout: Duration,
}

impl<DB: Engine> Pool<DB> {
    /// A pool without connections. They are made when they are needed.
    pub(crate) fn new(target: DB::Target, asked: DB::Asked, limits: Limits) -> Self {
        let connector = Connector {
            target,
            asked: asked.clone(),
            reach: Reach::default(),
            doubt: Doubt::default(),
            runtime: Handle::try_current().ok(),
        };
        let connections = deadpool::managed::Pool::builder(connector)
            .max_size(usize::try_from(limits.max_connections).unwrap_or(usize::MAX))
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .unwrap_or_else(|_| unreachable!("there is a runtime for time-outs"));
        Self {
            asked,
            connections,
            limits,
            used: TaskTracker::new(),
        }
    }

    /// As [`Pool::acquire_until`], without a deadline.
    pub(crate) async fn acquire(&self) -> Result<Pooled<DB>, sqlx::Error> {
        self.acquire_until(None).await
    }

    /// As [`Pool::acquire_for`], with `acquire_timeout` as patience.
    pub(crate) async fn acquire_until(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Pooled<DB>, sqlx::Error> {
        self.acquire_for(self.limits.acquire_timeout, deadline)
            .await
    }

    /// Waits for a connection, in the order of requests. If others use all of them, waits at most for `patience`; if the database cannot be
    /// reached, until
    /// `deadline`.
    ///
    /// # Errors
    /// `PoolTimedOut` if others keep all connections, `PoolClosed`, and errors of connecting: the last one, for a database that could not
    /// be reached.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that was being taken goes back, or is closed.
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
            // Near the deadline, find out whether it waits for others or for the database.
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
                // A test has its own limit.
                recycle: None,
            };
            let failed = match self.connections.timeout_get(&timeouts).await {
                Ok(connection) => {
                    reach.succeeded();
                    return Ok(Pooled {
                        connection: Some(connection),
                        in_doubt: false,
                        is_changed: false,
                        place: None,
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
                Err(PoolError::Timeout(_)) => {
                    let cut = DB::hook(&self.asked).and_then(|(hook, _)| hook.cut());
                    cut.unwrap_or_else(no_answer)
                }
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

    /// Waits for a connection that others use for `patience`, and makes one if there may be another one: once, however long that takes
    /// within the time for connecting.
    ///
    /// # Errors
    /// As [`Pool::acquire_for`].
    ///
    /// # Cancel safety
    /// As [`Pool::acquire_for`].
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "SQLite has no replicas")
    )]
    pub(crate) async fn acquire_once(&self, patience: Duration) -> Result<Pooled<DB>, sqlx::Error> {
        let used = self.used.token();
        if self.used.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        let timeouts = Timeouts {
            wait: Some(patience),
            create: Some(self.limits.connect_timeout),
            recycle: None,
        };
        match self.connections.timeout_get(&timeouts).await {
            Ok(connection) => Ok(Pooled {
                connection: Some(connection),
                in_doubt: false,
                is_changed: false,
                place: None,
                _used: used,
            }),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(sqlx::Error::PoolTimedOut),
            Err(PoolError::Timeout(_)) => Err(no_answer()),
            Err(PoolError::Backend(error)) => Err(error),
            Err(_) => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Notes that a connection of this pool or of another one to the same server does not answer, or not for long: idle ones are tested
    /// before they are used.
    pub(crate) fn doubt_idle(&self) {
        self.connections.manager().doubt.waited_in_vain();
    }

    /// Whether operations that wait for a connection wait for the database, and not for each other.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        let all = self.connections.status().max_size;
        self.connections.manager().reach.is_out_of_reach(all)
    }

    /// Hands out no more connections, waits for those in use, and closes all of them properly.
    pub(crate) async fn close(&self) {
        self.used.close();
        self.used.wait().await;
        for connection in self.connections.retain(|_, _| false).removed {
            if let Some(connection) = connection.connection {
                // It is closed even if this fails.
                let _ = connection.close().await;
            }
        }
        self.connections.close();
    }
}

impl<DB: Engine> fmt::Debug for Pool<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("status", &self.connections.status())
            .finish_non_exhaustive()
    }
}
