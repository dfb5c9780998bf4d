//! Replicas: standbys that queries may be read from, if they have what the query's token stands for.
//!
//! Read [`choose`] first: it finds a replica for one query. [`look`] is what a server is asked, and what is made of its answer.
//! [`beacons`] are for
//! queries without one. [`primary`] is how the primary is read with a token, where no replica has it in time. [`at_start`] asks all servers once, and [`watch`]
//! looks after each from then on.
//!
//! Nothing here is asked where no replica is named.

mod at_start;
mod beacons;
mod choose;
mod look;
mod primary;
mod watch;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{Postgres, postgres::PgConnectOptions};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use self::beacons::Beacons;
pub(super) use self::primary::{honours, wait_for_commits};

use super::{
    backend::Backend,
    servers::{Servers, name},
    session::{PostgresSession, Role},
};
use crate::{
    ConnectError, ConsistencyToken, DatabaseOptions,
    database::{connect::limits, driver_options::Given, pool::Pool},
    observe::telemetry,
};

/// The replicas of one database.
#[derive(Debug)]
pub(super) struct Replicas {
    list: Vec<Arc<Replica>>,
    beacons: Arc<Beacons>,
    /// The cluster's system identifier.
    system: u64,
    /// How long a query waits for a replica.
    wait: Duration,
    /// Places for queries with a token on the primary: at most half of its readers. Replicas that are lost, or a COMMIT for which those
    /// queries wait there, must not keep everybody else from it.
    at_primary: Arc<Semaphore>,
    /// How long a query waits for such a place.
    patience: Duration,
    /// The newest token that one of them was proved to have.
    newest: Mutex<Option<ConsistencyToken>>,
    /// Where the next choice begins, so that all are used.
    next: AtomicUsize,
    /// For orders about their backends.
    to_control: Servers,
}

/// One of them.
pub(super) struct Replica {
    name: String,
    /// For queries.
    pool: Pool<Postgres>,
    /// For the task that looks after it, which must not wait for queries.
    watcher: Pool<Postgres>,
    /// Whether it answered when it was asked last.
    answers: AtomicBool,
}

/// The options of all replicas that are named.
///
/// # Errors
/// [`ConnectError::Refused`] for those of another engine, and if the whole database only reads.
pub(super) fn named(options: &DatabaseOptions) -> Result<Vec<PgConnectOptions>, ConnectError> {
    let refused = |problem: &str| {
        Err(ConnectError::Refused {
            problem: problem.to_owned(),
        })
    };
    if options.read_only && !options.replicas.is_empty() {
        return refused(
            "`DatabaseOptions::replicas` need a primary, and with `DatabaseOptions::read_only` none is used: name the \
             replicas as the servers of the database",
        );
    }
    let mut servers = Vec::new();
    for driver in &options.replicas {
        match &driver.0 {
            Given::Postgres(given) => servers.extend(given.iter().cloned()),
            #[cfg(any(feature = "mariadb", feature = "sqlite"))]
            _ => return refused("a replica is a standby of PostgreSQL"),
        }
    }
    Ok(servers)
}

impl Replicas {
    /// Opens the replicas of the database that readers and writers have these sessions on.
    ///
    /// # Errors
    /// As [`at_start::check`].
    pub(super) async fn open(
        servers: Servers,
        (primary, reader): (&Servers, &PostgresSession),
        writer: &PostgresSession,
        options: &DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        let asked = PostgresSession {
            role: Role::Any,
            ..reader.clone()
        };
        let to_read = servers.of(&asked);
        let found = at_start::check((primary, reader), (&to_read, &asked), options).await?;
        let of_queries = limits(options, options.max_connections);
        let of_watcher = limits(options, 1);
        let list = to_read.each().zip(found.answers).map(|(server, answers)| {
            Arc::new(Replica {
                name: name(server.options(0)),
                pool: Pool::new(server.clone(), asked.clone(), of_queries),
                watcher: Pool::new(server, asked.clone(), of_watcher),
                answers: AtomicBool::new(answers),
            })
        });
        let primary = Pool::new(primary.clone(), reader.clone(), of_watcher);
        Ok(Self {
            list: list.collect(),
            beacons: Arc::new(Beacons::new(primary)),
            system: found.system,
            wait: options.replica_wait,
            at_primary: Arc::new(Semaphore::new(
                usize::try_from(options.max_connections / 2).map_or(1, |half| half.max(1)),
            )),
            patience: options.acquire_timeout,
            newest: Mutex::default(),
            next: AtomicUsize::new(0),
            to_control: servers.of(writer),
        })
    }

    /// The servers, for orders about their backends.
    pub(super) fn to_control(&self) -> &Servers {
        &self.to_control
    }

    /// Whether one of them was proved to have what the token stands for. Another one may not have it.
    pub(super) fn have(&self, token: &ConsistencyToken) -> bool {
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.is_some_and(|newest| newest.includes(token))
    }

    /// Notes what a server was proved to have.
    fn proved(&self, backend: &Backend) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = backend.newest_proved().max(*newest);
    }

    /// A place for a query with a token on the primary.
    ///
    /// # Errors
    /// `PoolTimedOut` if there is none in time.
    pub(super) async fn place_at_primary(&self) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        let place = Arc::clone(&self.at_primary).acquire_owned();
        match timeout(self.patience, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(sqlx::Error::PoolClosed),
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    pub(super) fn doubt_idle(&self) {
        for replica in &self.list {
            replica.pool.doubt_idle();
        }
    }

    pub(super) async fn close(&self) {
        self.beacons.close().await;
        for replica in &self.list {
            replica.pool.close().await;
            replica.watcher.close().await;
        }
    }
}

impl Replica {
    /// Notes whether it has answered, and tells it when that has changed.
    fn has_answered(&self, answer: Result<(), &dyn fmt::Display>) {
        telemetry::replica_answers(&self.name, answer.is_ok());
        match answer {
            Ok(()) => {
                if !self.answers.swap(true, Relaxed) {
                    tracing::info!(replica = self.name, "the replica can be read");
                }
            }
            Err(problem) => {
                if self.answers.swap(false, Relaxed) {
                    tracing::warn!(replica = self.name, %problem, "the replica is not read for now");
                }
            }
        }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Replica")
            .field("name", &self.name)
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}
