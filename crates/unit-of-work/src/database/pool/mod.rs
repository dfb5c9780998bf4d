//! Connections that are kept for the next unit.
//!
//! Unlike sqlx's pool, giving a connection back needs no round trip and no task, and a connection is tested only after it has been
//! idle. That is safe because a unit marks its connection as *in doubt* while something is under way on it, and a connection in doubt
//! is closed instead of kept.

mod connector;
mod pooled;
mod reach;

use std::{fmt, time::Duration};

use deadpool::{
    Runtime,
    managed::{PoolError, QueueMode, TimeoutType, Timeouts},
};
use sqlx::{Connection as _, Database};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

pub(crate) use self::{pooled::Pooled, reach::no_answer};

use self::{
    connector::Connector,
    reach::{ASK_AGAIN, Reach, delays_of_asking, may_pass},
};
use crate::database::engine::Engine;

/// A connection that does not answer its test for this long is replaced.
const TEST_LIMIT: Duration = Duration::from_secs(1);

pub(crate) type OptionsOf<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

/// The connections to one database, made as they are needed. The one that came back last is taken first.
pub(crate) struct Pool<DB: Engine> {
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

impl<DB: Engine> Pool<DB> {
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

    /// Another pool of connections that are made as this one's are, with sessions of another kind.
    pub(crate) fn beside(
        &self,
        max_connections: u32,
        asked: impl FnOnce(&DB::Asked) -> DB::Asked,
    ) -> Self {
        let limits = Limits {
            max_connections,
            ..self.limits
        };
        Self::new(self.options.clone(), asked(&self.asked), limits)
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

impl<DB: Engine> fmt::Debug for Pool<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("status", &self.connections.status())
            .finish_non_exhaustive()
    }
}
