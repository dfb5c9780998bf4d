//! The database of a run: a private PostgreSQL, a primary of it with a standby, or a file of SQLite.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::postgres::PostgresServer;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use tokio::net::TcpSocket;

use super::process::{self, Process};

/// What the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    /// A primary of PostgreSQL and a synchronous standby, which becomes the primary when that fails.
    Cluster,
}

/// A database that can be disturbed.
#[derive(Debug)]
pub struct Database {
    /// SQLite's file.
    file: Option<String>,
    /// Where servers of PostgreSQL are, each at its place in the list that Daybook has.
    places: Vec<Mutex<Place>>,
    /// The place of the primary.
    primary: AtomicUsize,
    settings: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
struct Place {
    server: Arc<PostgresServer>,
    address: SocketAddr,
    /// Keeps the port from being given to an outgoing connection while the server is away.
    reserved: Option<Arc<TcpSocket>>,
}

impl Place {
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

/// What the database says of itself.
#[derive(Debug)]
pub enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// One of PostgreSQL's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves a connection.
    Backend,
    /// Writes the log ahead.
    WalWriter,
    /// Sends the log to the standby.
    WalSender,
}

impl Role {
    fn is_of(self, title: &str) -> bool {
        // `postgres: postgres daybook 127.0.0.1(40000) idle`, `postgres: walwriter`
        match self {
            Self::Backend => {
                title.starts_with("postgres: ")
                    && title.contains(" 127.0.0.1(")
                    && !Self::WalSender.is_of(title)
            }
            Self::WalWriter => title.starts_with("postgres: walwriter"),
            Self::WalSender => title.starts_with("postgres: walsender"),
        }
    }
}

impl Database {
    /// An empty database.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(kind: Kind, folder: &Path, commit_delay: Duration) -> Result<Self> {
        if kind == Kind::Sqlite {
            let file = folder.join("daybook.db");
            return Ok(Self {
                file: Some(format!("sqlite://{}?mode=rwc", file.display())),
                places: Vec::new(),
                primary: AtomicUsize::new(0),
                settings: Vec::new(),
            });
        }
        // `fsync` on, for without it PostgreSQL does not wait before it writes.
        let mut settings = [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("max_connections", "200"),
            ("deadlock_timeout", "100ms"),
            ("commit_siblings", "0"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
        settings.push(("commit_delay", commit_delay.as_micros().to_string()));
        if kind == Kind::Cluster {
            // What a standby calls itself if nothing else is said.
            settings.push(("synchronous_standby_names", "walreceiver".to_owned()));
            settings.push(("wal_retrieve_retry_interval", "100ms".to_owned()));
        }
        let mut database = Self {
            file: None,
            places: Vec::new(),
            primary: AtomicUsize::new(0),
            settings,
        };
        let first = database.start_server(None).await?;
        let server = Arc::clone(&first.server);
        database.places.push(Mutex::new(first));
        if kind == Kind::Cluster {
            let standby = database.start_server(Some(server)).await?;
            database.places.push(Mutex::new(standby));
        }
        Ok(database)
    }

    /// Starts a server: a standby of another, or one that follows nobody.
    async fn start_server(&self, primary: Option<Arc<PostgresServer>>) -> Result<Place> {
        let settings = self.settings.clone();
        let started = tokio::task::spawn_blocking(move || {
            let settings = settings.iter();
            let settings: Vec<_> = settings.map(|(name, value)| (*name, &**value)).collect();
            match primary {
                Some(primary) => primary.start_standby(&settings),
                None => PostgresServer::start(&settings),
            }
        });
        Place::of(started.await?)
    }

    fn place(&self, number: usize) -> Option<MutexGuard<'_, Place>> {
        let place = self.places.get(number)?.lock();
        Some(place.unwrap_or_else(PoisonError::into_inner))
    }

    fn primary(&self) -> Result<MutexGuard<'_, Place>> {
        let primary = self.place(self.primary.load(Ordering::SeqCst));
        primary.context("SQLite has no server")
    }

    /// Past the wires: the file, or the primary.
    pub fn url(&self) -> String {
        match &self.file {
            Some(file) => file.clone(),
            None => self
                .primary()
                .map_or_else(|_| String::new(), |primary| primary.server.url().to_owned()),
        }
    }

    /// Where its servers listen, if it has any.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let places = (0..self.places.len()).filter_map(|number| self.place(number));
        places.map(|place| place.address).collect()
    }

    /// The URL of the database by other addresses of its servers.
    pub fn url_by(&self, addresses: &[SocketAddr]) -> String {
        let own = self.addresses();
        let by = addresses
            .iter()
            .map(SocketAddr::to_string)
            .collect::<Vec<_>>();
        own.first().map_or_else(
            || self.url(),
            |own| self.url().replace(&own.to_string(), &by.join(",")),
        )
    }

    /// A connection of its own, past the wires.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn connect(&self) -> Result<Link> {
        Ok(match &self.file {
            None => Link::Postgres(PgConnection::connect(&self.url()).await?),
            Some(file) => Link::Sqlite(SqliteConnection::connect(file).await?),
        })
    }

    /// Stops PostgreSQL, the primary, as a crash would.
    pub async fn crash(&self) -> Result<()> {
        self.tell(PostgresServer::crash).await?;
        let mut primary = self.primary()?;
        if primary.reserved.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(primary.address)?;
            primary.reserved = Some(Arc::new(socket));
        }
        Ok(())
    }

    /// Starts PostgreSQL again.
    pub async fn start_again(&self) -> Result<()> {
        self.tell(PostgresServer::start_again).await
    }

    /// Makes the standby the primary. What was the primary before does not come back.
    ///
    /// # Errors
    /// When there is no standby.
    pub async fn promote(&self) -> Result<()> {
        let standby = 1 - self.primary.load(Ordering::SeqCst);
        ensure!(standby < self.places.len(), "there is no standby");
        self.primary.store(standby, Ordering::SeqCst);
        self.tell(PostgresServer::promote).await
    }

    /// Starts a standby of the primary at the other place, at an address of its own: it answers the place and the address.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_standby(&self) -> Result<(usize, SocketAddr)> {
        let number = 1 - self.primary.load(Ordering::SeqCst);
        let primary = Arc::clone(&self.primary()?.server);
        let standby = self.start_server(Some(primary)).await?;
        let address = standby.address;
        let gone = {
            let mut place = self.place(number).context("there is no other place")?;
            std::mem::replace(&mut *place, standby)
        };
        // Its folder is removed, which takes a while.
        tokio::task::spawn_blocking(move || drop(gone)).await?;
        Ok((number, address))
    }

    async fn tell(&self, order: fn(&PostgresServer)) -> Result<()> {
        let server = Arc::clone(&self.primary()?.server);
        Ok(tokio::task::spawn_blocking(move || order(&server)).await?)
    }

    /// The processes of one role, of the primary and of no other server.
    ///
    /// # Errors
    /// When the server is not there.
    pub async fn processes(&self, role: Role) -> Result<Vec<Process>> {
        let postmaster = self.postmaster().await?;
        let children = process::children_of(postmaster)?.into_iter();
        let of_role = children.filter(|id| {
            let title = process::title_of(*id);
            title.is_some_and(|title| role.is_of(&title))
        });
        // One that has ended meanwhile is none.
        Ok(of_role
            .filter_map(|id| Process::child(id, postmaster).ok())
            .collect())
    }

    /// The process that all of PostgreSQL's are children of, as its own folder says.
    async fn postmaster(&self) -> Result<u32> {
        let mut link = PgConnection::connect(&self.url()).await?;
        let data: String = sqlx::query_scalar("SHOW data_directory")
            .fetch_one(&mut link)
            .await?;
        link.close().await?;
        let file = fs::read_to_string(PathBuf::from(&data).join("postmaster.pid"))?;
        let id = file.lines().next().context("an empty file")?.parse()?;
        let title = process::title_of(id).unwrap_or_default();
        ensure!(title.contains(&data), "{id} is `{title}`");
        Ok(id)
    }
}
