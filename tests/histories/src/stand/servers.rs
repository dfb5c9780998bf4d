//! The servers of PostgreSQL: one alone, or a primary with a synchronous standby and an asynchronous one.
//!
//! Each server has a place, whose name (`node0`) stays while servers come and go there, and roles change: [`takeover`](super::takeover) says
//! how. A standby follows the primary through a wire of its own, which can be cut and darkened as those of Daybook can.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use daybook_test_harness::postgres::PostgresServer;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::{
    net::TcpSocket,
    time::{sleep, timeout},
};

use super::wire::Wire;

/// How long a server may take to answer one question: one of its processes may be frozen meanwhile.
const ANSWER: Duration = Duration::from_secs(15);

/// How long it may take until something is so that becomes so by itself. Every fault ends well before.
const BECOMES: Duration = Duration::from_secs(60);

/// Where nobody listens.
pub(super) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The servers, each at its place in the list that Daybook has.
#[derive(Debug)]
pub struct Servers {
    places: Vec<Place>,
    roles: Mutex<Roles>,
    settings: Vec<(&'static str, String)>,
    /// Whether COMMIT waits for a standby.
    pub(super) is_synchronous: bool,
}

/// Who is what. Whoever is neither is the asynchronous standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub primary: usize,
    /// The standby that COMMIT waits for, and that takes over.
    pub synchronous: usize,
}

#[derive(Debug)]
struct Place {
    node: Mutex<Node>,
    /// What its server follows the primary through.
    upstream: Wire,
}

#[derive(Debug)]
struct Node {
    server: Arc<PostgresServer>,
    address: SocketAddr,
    /// Keeps the port from being given to an outgoing connection while the server is away.
    reserved: Option<TcpSocket>,
}

impl Node {
    fn of(server: PostgresServer) -> Result<Self> {
        let address = server.url().split('@').nth(1);
        let address = address.and_then(|rest| rest.split('/').next());
        Ok(Self {
            address: address.context("an address")?.parse()?,
            server: Arc::new(server),
            reserved: None,
        })
    }
}

impl Servers {
    /// Starts a primary, and so many standbys: the first is synchronous, unless there is to be none.
    ///
    /// # Errors
    /// When one does not start, or does not follow.
    pub async fn start(
        settings: Vec<(&'static str, String)>,
        standbys: usize,
        is_synchronous: bool,
    ) -> Result<Self> {
        let mut servers = Self {
            places: Vec::new(),
            roles: Mutex::new(Roles {
                primary: 0,
                synchronous: 1,
            }),
            settings,
            is_synchronous: is_synchronous && standbys > 0,
        };
        let first = servers.start_server(None).await?;
        servers.add(first).await?;
        if standbys == 0 {
            return Ok(servers);
        }
        // First of all, for standbys are copies.
        servers.wait_for(0, 1).await?;
        for _ in 0..standbys {
            let primary = servers.server(0);
            let standby = servers.start_server(Some(primary)).await?;
            servers.add(standby).await?;
        }
        let address = servers.address(0);
        for number in 0..servers.places.len() {
            servers.upstream(number).lead_to(address);
            servers.configure(number).await?;
        }
        servers.all_follow().await?;
        Ok(servers)
    }

    async fn add(&mut self, node: Node) -> Result<()> {
        self.places.push(Place {
            node: Mutex::new(node),
            upstream: Wire::to(NOWHERE).await?,
        });
        Ok(())
    }

    /// A new server: a standby of another, or one that follows nobody.
    async fn start_server(&self, primary: Option<Arc<PostgresServer>>) -> Result<Node> {
        let settings = self.settings.clone();
        let started = tokio::task::spawn_blocking(move || {
            let settings = settings.iter();
            let settings: Vec<_> = settings.map(|(name, value)| (*name, &**value)).collect();
            match primary {
                Some(primary) => primary.start_standby(&settings),
                None => PostgresServer::start(&settings),
            }
        });
        Node::of(started.await?)
    }

    /// Puts a new standby where another server was, at an address of its own.
    pub(super) async fn rebuild(&self, number: usize) -> Result<()> {
        let primary = self.server(self.roles().primary);
        let standby = self.start_server(Some(primary)).await?;
        let gone = std::mem::replace(&mut *self.node(number), standby);
        // Its folder is removed, which takes a while.
        tokio::task::spawn_blocking(move || drop(gone)).await?;
        self.configure(number).await
    }

    /// Tells a server whom it follows, as who. A copy has what its original was told.
    async fn configure(&self, number: usize) -> Result<()> {
        let port = self.upstream(number).address.port();
        let name = name(number);
        let follow = format!(
            "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={port} user=postgres application_name={name}'"
        );
        self.tell(number, &follow).await?;
        self.tell(number, "ALTER SYSTEM RESET recovery_min_apply_delay")
            .await?;
        self.tell(number, "SELECT pg_reload_conf()").await
    }

    /// Has a server wait for a standby in each COMMIT, now or when it is the primary.
    pub(super) async fn wait_for(&self, number: usize, standby: usize) -> Result<()> {
        let standby = if self.is_synchronous {
            name(standby)
        } else {
            String::new()
        };
        let names = format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'");
        self.tell(number, &names).await?;
        self.tell(number, "SELECT pg_reload_conf()").await?;
        let is_told = format!(
            "SELECT (current_setting('synchronous_standby_names') = '{standby}')::int::bigint"
        );
        self.until(number, &is_told, |is_told| is_told == 1).await
    }

    /// Waits until all standbys follow, and the synchronous one has what the primary has written.
    ///
    /// # Errors
    /// When that does not happen.
    pub async fn all_follow(&self) -> Result<()> {
        let Roles {
            primary,
            synchronous,
        } = self.roles();
        let written: i64 = self
            .ask(
                primary,
                "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint",
            )
            .await?;
        let state = if self.is_synchronous { "sync" } else { "async" };
        let follow = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' \
             AND (application_name <> '{}' OR sync_state = '{state}' AND pg_wal_lsn_diff(flush_lsn, '0/0') >= {written})",
            name(synchronous)
        );
        let standbys = self.places.len() as i64 - 1;
        self.until(primary, &follow, |follow| follow == standbys)
            .await
            .context("not all standbys follow")
    }

    /// Has a server replay what it gets, at once, if it is a standby.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn go_on(&self, number: usize) -> Result<()> {
        // Where it was made anew or is being stopped, it is asked again, and that does no harm.
        for order in [
            "ALTER SYSTEM RESET recovery_min_apply_delay",
            "SELECT pg_reload_conf()",
            "SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_replay_resume() END",
        ] {
            let begun = Instant::now();
            while let Err(error) = self.tell(number, order).await {
                if begun.elapsed() > BECOMES {
                    return Err(error);
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.places.len()
    }

    fn node(&self, number: usize) -> MutexGuard<'_, Node> {
        let node = self.places[number].node.lock();
        node.unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self, number: usize) -> Arc<PostgresServer> {
        Arc::clone(&self.node(number).server)
    }

    fn address(&self, number: usize) -> SocketAddr {
        self.node(number).address
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let places = 0..self.places.len();
        places.map(|number| self.address(number)).collect()
    }

    /// What a standby follows the primary through.
    pub fn upstream(&self, number: usize) -> &Wire {
        &self.places[number].upstream
    }

    pub fn roles(&self) -> Roles {
        *self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_roles(&self, roles: Roles) {
        *self.roles.lock().unwrap_or_else(PoisonError::into_inner) = roles;
    }

    /// The places of the standbys.
    pub fn standbys(&self) -> Vec<usize> {
        let primary = self.roles().primary;
        let places = 0..self.places.len();
        places.filter(|number| *number != primary).collect()
    }

    /// The URL of the primary, past the wires.
    pub fn url(&self) -> String {
        self.server(self.roles().primary).url().to_owned()
    }

    /// Leads all standbys to the primary.
    pub(super) fn lead_upstream(&self) {
        let primary = self.address(self.roles().primary);
        for place in &self.places {
            place.upstream.lead_to(primary);
        }
    }

    /// Stops the primary, as a crash would.
    pub async fn crash(&self) -> Result<()> {
        self.stop(PostgresServer::crash).await
    }

    /// Starts the primary again.
    pub async fn start_again(&self) -> Result<()> {
        self.order(self.roles().primary, PostgresServer::start_again)
            .await
    }

    /// Stops the primary in some way.
    pub(super) async fn stop(&self, stop: fn(&PostgresServer)) -> Result<()> {
        let primary = self.roles().primary;
        self.order(primary, stop).await?;
        let mut node = self.node(primary);
        if node.reserved.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(node.address)?;
            node.reserved = Some(socket);
        }
        Ok(())
    }

    pub(super) async fn order(&self, number: usize, order: fn(&PostgresServer)) -> Result<()> {
        let server = self.server(number);
        Ok(tokio::task::spawn_blocking(move || order(&server)).await?)
    }

    /// Asks a server, past the wires, for one value.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask<T>(&self, number: usize, sql: &str) -> Result<T>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let url = self.server(number).url().to_owned();
        let sql = AssertSqlSafe(sql.to_owned());
        let answered = timeout(ANSWER, async {
            let mut link = PgConnection::connect(&url).await?;
            let value = sqlx::query_scalar(sql).fetch_one(&mut link).await?;
            link.close().await?;
            Ok::<_, sqlx::Error>(value)
        });
        Ok(answered.await.context("a server does not answer")??)
    }

    /// Has a server do something, past the wires.
    ///
    /// # Errors
    /// When it does not.
    pub async fn tell(&self, number: usize, sql: &str) -> Result<()> {
        let url = self.server(number).url().to_owned();
        let sql = AssertSqlSafe(sql.to_owned());
        let done = timeout(ANSWER, async {
            let mut link = PgConnection::connect(&url).await?;
            // By itself, for `ALTER SYSTEM` takes no company.
            link.execute(sql).await?;
            link.close().await
        });
        Ok(done.await.context("a server does not answer")??)
    }

    /// Asks a server again and again, until its answer will do. Where it does not answer it is asked again, too.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn until(
        &self,
        number: usize,
        sql: &str,
        will_do: impl Fn(i64) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let answer = self.ask(number, sql).await;
            match answer {
                Ok(answer) if will_do(answer) => return Ok(()),
                Ok(answer) if begun.elapsed() > BECOMES => {
                    bail!("{} answers {answer} at last: {sql}", name(number))
                }
                Err(error) if begun.elapsed() > BECOMES => return Err(error),
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// What the server at a place calls itself.
fn name(number: usize) -> String {
    format!("node{number}")
}
