//! The database of a run: a private PostgreSQL, or a file of SQLite.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::{Engine, postgres::PostgresServer};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use tokio::net::TcpSocket;

use super::process::{self, Process};

/// A database that can be disturbed.
#[derive(Debug)]
pub struct Database {
    url: String,
    postgres: Option<Postgres>,
}

#[derive(Debug)]
struct Postgres {
    server: Arc<PostgresServer>,
    address: SocketAddr,
    /// Its folder.
    data: PathBuf,
    /// Keeps the port from being given to an outgoing connection while the server is away.
    reserved: OnceLock<TcpSocket>,
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
}

impl Role {
    fn is_of(self, title: &str) -> bool {
        // `postgres: postgres daybook 127.0.0.1(40000) idle`, `postgres: walwriter`
        match self {
            Self::Backend => title.starts_with("postgres: ") && title.contains(" 127.0.0.1("),
            Self::WalWriter => title.starts_with("postgres: walwriter"),
        }
    }
}

impl Database {
    /// An empty database.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(engine: Engine, folder: &Path, commit_delay: Duration) -> Result<Self> {
        if engine == Engine::Sqlite {
            let file = folder.join("daybook.db");
            let url = format!("sqlite://{}?mode=rwc", file.display());
            return Ok(Self {
                url,
                postgres: None,
            });
        }
        let delay = commit_delay.as_micros().to_string();
        // `fsync` on, for without it PostgreSQL does not wait before it writes.
        let server = tokio::task::spawn_blocking(move || {
            PostgresServer::start(&[
                ("fsync", "on"),
                ("synchronous_commit", "on"),
                ("max_connections", "200"),
                ("deadlock_timeout", "100ms"),
                ("commit_delay", &delay),
                ("commit_siblings", "0"),
            ])
        });
        let server = Arc::new(server.await?);
        let address = server.url().split('@').nth(1);
        let address = address.and_then(|rest| rest.split('/').next());
        let address = address.context("an address")?.parse()?;
        let url = server.url().to_owned();
        let data: String = sqlx::query_scalar("SHOW data_directory")
            .fetch_one(&mut PgConnection::connect(&url).await?)
            .await?;
        let data = PathBuf::from(data);
        let postgres = Some(Postgres {
            server,
            address,
            data,
            reserved: OnceLock::new(),
        });
        Ok(Self { url, postgres })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its server listens, if it has one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.postgres.as_ref().map(|postgres| postgres.address)
    }

    /// The URL of the database by another address.
    pub fn url_by(&self, address: SocketAddr) -> String {
        self.address().map_or_else(
            || self.url.clone(),
            |own| self.url.replace(&own.to_string(), &address.to_string()),
        )
    }

    /// A connection of its own, past the wires.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn connect(&self) -> Result<Link> {
        Ok(match self.postgres {
            Some(_) => Link::Postgres(PgConnection::connect(&self.url).await?),
            None => Link::Sqlite(SqliteConnection::connect(&self.url).await?),
        })
    }

    /// Stops PostgreSQL as a crash would.
    pub async fn crash(&self) -> Result<()> {
        self.blocking(PostgresServer::crash).await?;
        if let Some(postgres) = &self.postgres
            && postgres.reserved.get().is_none()
        {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(postgres.address)?;
            let _ = postgres.reserved.set(socket);
        }
        Ok(())
    }

    /// Starts PostgreSQL again.
    pub async fn start_again(&self) -> Result<()> {
        self.blocking(PostgresServer::start_again).await
    }

    async fn blocking(&self, act: fn(&PostgresServer)) -> Result<()> {
        let postgres = self.postgres.as_ref().context("SQLite has no server")?;
        let server = Arc::clone(&postgres.server);
        Ok(tokio::task::spawn_blocking(move || act(&server)).await?)
    }

    /// The processes of one role, of this server and of no other.
    ///
    /// # Errors
    /// When the server is not there.
    pub fn processes(&self, role: Role) -> Result<Vec<Process>> {
        let postmaster = self.postmaster()?;
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
    fn postmaster(&self) -> Result<u32> {
        let postgres = self.postgres.as_ref().context("SQLite has no server")?;
        let file = fs::read_to_string(postgres.data.join("postmaster.pid"))?;
        let id = file.lines().next().context("an empty file")?.parse()?;
        let title = process::title_of(id).unwrap_or_default();
        let data = postgres.data.to_string_lossy();
        ensure!(title.contains(&*data), "{id} is `{title}`");
        Ok(id)
    }
}
