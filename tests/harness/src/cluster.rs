//! Several PostgreSQL servers with the same data: a primary, and standbys that follow it.

use std::{net::TcpListener, sync::Arc};

use url::Url;

use crate::postgres::PostgresServer;
use crate::{Engine, Observer, TestDatabase, eventually};

/// A primary with standbys, each a private server. The servers are numbered: 0 is the one that was the primary first.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Arc<PostgresServer>>,
}

impl Cluster {
    /// Starts a primary and `standbys` of it.
    ///
    /// # Panics
    ///
    /// Where PostgreSQL is not installed, or does not start.
    pub async fn start(standbys: usize) -> Self {
        Self::start_with(standbys, &[("fsync", "off")]).await
    }

    /// The same, with settings that all servers have.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub async fn start_with(
        standbys: usize,
        settings: &'static [(&'static str, &'static str)],
    ) -> Self {
        blocking(move || {
            let primary = PostgresServer::start(settings);
            let standbys: Vec<_> = (0..standbys)
                .map(|_| primary.start_standby(settings))
                .collect();
            Self {
                servers: [primary]
                    .into_iter()
                    .chain(standbys)
                    .map(Arc::new)
                    .collect(),
            }
        })
        .await
    }

    /// One of the servers.
    ///
    /// # Panics
    ///
    /// Where there is none of this number.
    pub fn server(&self, number: usize) -> &Arc<PostgresServer> {
        &self.servers[number]
    }

    /// Makes an empty database, on server 0 while it is the primary. It is there when all standbys have it.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn database(&self) -> TestDatabase {
        let database = TestDatabase::create_on(Arc::clone(&self.servers[0])).await;
        for number in 1..self.servers.len() {
            self.caught_up(&database, number).await;
        }
        database
    }

    /// The same database on another server.
    ///
    /// # Panics
    ///
    /// Where there is none of this number.
    #[must_use]
    pub fn database_on(&self, database: &TestDatabase, number: usize) -> TestDatabase {
        database.on_standby(Arc::clone(&self.servers[number]))
    }

    /// A URL of the database that names these servers, in this order.
    ///
    /// # Panics
    ///
    /// Where there is none of a number.
    pub fn url(&self, database: &TestDatabase, numbers: &[usize]) -> String {
        let urls: Vec<_> = numbers
            .iter()
            .map(|number| self.database_on(database, *number).url().to_owned())
            .collect();
        list(&urls)
    }

    /// Waits until the standby has replayed all that the primary has written, and can be connected to.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    pub async fn caught_up(&self, database: &TestDatabase, standby: usize) {
        let primary = database.observer().await;
        // A record of its own: one before it may lie in memory for a while, and where the next one will begin is no position that is reached.
        let written = primary
            .text("SELECT pg_logical_emit_message(true, 'caught up', '')::text")
            .await;
        let url = self.database_on(database, standby).url().to_owned();
        eventually("the standby has caught up", async || {
            let Ok(observer) = Observer::try_connect(&url).await else {
                return false;
            };
            let replayed =
                format!("SELECT (pg_last_wal_replay_lsn() >= '{written}'::pg_lsn)::int::bigint");
            observer.i64(&replayed).await == 1
        })
        .await;
    }

    /// Stops replay on a standby: it can be read, and becomes old.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub async fn pause(&self, standby: usize) {
        let observer = self.observer(standby).await;
        observer.execute("SELECT pg_wal_replay_pause()").await;
        eventually("replay is paused", async || {
            let state = "SELECT pg_get_wal_replay_pause_state()";
            observer.text(state).await == "paused"
        })
        .await;
    }

    /// Lets a standby replay again.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub async fn resume(&self, standby: usize) {
        let observer = self.observer(standby).await;
        observer.execute("SELECT pg_wal_replay_resume()").await;
    }

    /// Stops a server as a crash would.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub async fn crash(&self, number: usize) {
        self.tell(number, PostgresServer::crash).await;
    }

    /// Starts a server again, as what it was.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&self, number: usize) {
        self.tell(number, PostgresServer::start_again).await;
    }

    /// Makes a primary of a standby.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub async fn promote(&self, number: usize) {
        self.tell(number, PostgresServer::promote).await;
    }

    /// Starts a server again as a standby, which follows nobody.
    ///
    /// # Panics
    ///
    /// When it does not become one.
    pub async fn demote(&self, number: usize) {
        self.tell(number, PostgresServer::become_standby).await;
    }

    async fn tell(&self, number: usize, order: fn(&PostgresServer)) {
        let server = Arc::clone(&self.servers[number]);
        blocking(move || order(&server)).await;
    }

    async fn observer(&self, number: usize) -> Observer {
        Observer::connect(Engine::Postgres, self.servers[number].url()).await
    }
}

/// One URL that names the servers of several, which may lead through proxies. The rest is that of the first.
///
/// # Panics
///
/// When there is none, or one is no URL with a host and a port.
pub fn list(urls: &[impl AsRef<str>]) -> String {
    let urls: Vec<_> = urls
        .iter()
        .map(|url| Url::parse(url.as_ref()).expect("a PostgreSQL URL"))
        .collect();
    let place = |url: &Url| {
        let host = url.host_str().expect("a URL with a host");
        format!("{host}:{}", url.port().expect("a URL with a port"))
    };
    let (first, places) = (&urls[0], urls.iter().map(place).collect::<Vec<_>>());
    let url = first.as_str();
    url.replacen(&place(first), &places.join(","), 1)
}

/// The URL with a port at which nobody listens.
///
/// # Panics
///
/// When it is no URL of a server.
pub fn at_nobody(url: &str) -> String {
    let mut url = Url::parse(url).expect("a PostgreSQL URL");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    url.set_port(Some(free.expect("a free port").port()))
        .expect("a URL with a host");
    url.into()
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let run = tokio::task::spawn_blocking(run).await;
    run.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
