//! The database of a run: a private PostgreSQL, a primary of it with two standbys, or a file of SQLite.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::servers::Servers;

/// What the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    /// A primary of PostgreSQL, a synchronous standby, which becomes the primary when that fails, and an asynchronous one.
    Cluster,
}

/// A database that can be disturbed.
#[derive(Debug)]
pub enum Database {
    /// SQLite's file, as a URL.
    File(String),
    Servers(Servers),
}

/// A connection to the database.
#[derive(Debug)]
pub enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    /// An empty database.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(
        kind: Kind,
        folder: &Path,
        commit_delay: Duration,
        is_synchronous: bool,
    ) -> Result<Self> {
        if kind == Kind::Sqlite {
            let file = folder.join("daybook.db");
            return Ok(Self::File(format!("sqlite://{}?mode=rwc", file.display())));
        }
        // `fsync` on, for without it PostgreSQL does not wait before it writes.
        let mut settings = [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("max_connections", "200"),
            ("deadlock_timeout", "100ms"),
            ("commit_siblings", "0"),
            ("wal_retrieve_retry_interval", "100ms"),
            // Else a server that takes over removes what a standby that is behind has not got yet.
            ("wal_keep_size", "2GB"),
            // Longer than any fault, and so short that nothing waits for long.
            ("wal_sender_timeout", "10s"),
            ("wal_receiver_timeout", "10s"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
        settings.push(("commit_delay", commit_delay.as_micros().to_string()));
        let standbys = if kind == Kind::Cluster { 2 } else { 0 };
        let servers = Servers::start(settings, standbys, is_synchronous).await?;
        Ok(Self::Servers(servers))
    }

    /// The servers of PostgreSQL.
    ///
    /// # Errors
    /// When it is SQLite.
    pub fn servers(&self) -> Result<&Servers> {
        match self {
            Self::Servers(servers) => Ok(servers),
            Self::File(_) => None.context("SQLite has no server"),
        }
    }

    /// Past the wires: the file, or the primary.
    pub fn url(&self) -> String {
        match self {
            Self::File(file) => file.clone(),
            Self::Servers(servers) => servers.url(),
        }
    }

    /// Where its servers listen, if it has any.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::File(_) => Vec::new(),
            Self::Servers(servers) => servers.addresses(),
        }
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
        Ok(match self {
            Self::Servers(servers) => Link::Postgres(PgConnection::connect(&servers.url()).await?),
            Self::File(file) => Link::Sqlite(SqliteConnection::connect(file).await?),
        })
    }
}
