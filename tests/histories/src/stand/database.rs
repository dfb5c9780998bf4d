//! The database of a run: a private PostgreSQL, a primary of it with two standbys, a private MariaDB, three nodes of it, or a file of SQLite.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, Executor as _, MySqlConnection, PgConnection, SqliteConnection};

use super::{
    nodes::{Node, Nodes},
    servers::Servers,
};

/// What the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    MariaDb,
    /// A primary of PostgreSQL, a synchronous standby, which becomes the primary when that fails, and an asynchronous one.
    Cluster,
    /// Three nodes of MariaDB.
    Galera,
}

/// A database that can be disturbed.
#[derive(Debug)]
pub enum Database {
    /// SQLite's file, as a URL.
    File(String),
    /// PostgreSQL's.
    Servers(Servers),
    /// MariaDB's.
    Nodes(Nodes),
}

/// A connection to the database.
#[derive(Debug)]
pub enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    MariaDb(MySqlConnection),
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
        match kind {
            Kind::Sqlite => {
                let file = folder.join("daybook.db");
                return Ok(Self::File(format!("sqlite://{}?mode=rwc", file.display())));
            }
            Kind::MariaDb | Kind::Galera => {
                let count = if kind == Kind::Galera { 3 } else { 1 };
                let nodes = Nodes::start(folder, count, commit_delay, is_synchronous).await?;
                return Ok(Self::Nodes(nodes));
            }
            Kind::Postgres | Kind::Cluster => {}
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
    /// When it is another database.
    pub fn servers(&self) -> Result<&Servers> {
        match self {
            Self::Servers(servers) => Ok(servers),
            Self::File(_) | Self::Nodes(_) => None.context("this is not PostgreSQL"),
        }
    }

    /// The servers of MariaDB.
    ///
    /// # Errors
    /// When it is another database.
    pub fn nodes(&self) -> Result<&Nodes> {
        match self {
            Self::Nodes(nodes) => Ok(nodes),
            Self::File(_) | Self::Servers(_) => None.context("this is not MariaDB"),
        }
    }

    /// Past the wires: the file, the primary, or all nodes.
    pub fn url(&self) -> String {
        match self {
            Self::File(file) => file.clone(),
            Self::Servers(servers) => servers.url(),
            Self::Nodes(_) => self.url_by(&self.addresses()),
        }
    }

    /// Where its servers listen, if it has any.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::File(_) => Vec::new(),
            Self::Servers(servers) => servers.addresses(),
            Self::Nodes(nodes) => nodes.all().iter().map(Node::address).collect(),
        }
    }

    /// The URL of the database by other addresses of its servers.
    pub fn url_by(&self, addresses: &[SocketAddr]) -> String {
        let (url, own) = match self {
            Self::File(file) => return file.clone(),
            Self::Servers(servers) => (servers.url(), servers.addresses()[0]),
            Self::Nodes(nodes) => (nodes.all()[0].url(), nodes.all()[0].address()),
        };
        let by = addresses
            .iter()
            .map(SocketAddr::to_string)
            .collect::<Vec<_>>();
        url.replace(&own.to_string(), &by.join(","))
    }

    /// Connections of its own, past the wires: one to the file, to the primary, or to each node.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn connect(&self) -> Result<Vec<Link>> {
        Ok(match self {
            Self::Servers(servers) => {
                vec![Link::Postgres(PgConnection::connect(&servers.url()).await?)]
            }
            Self::File(file) => vec![Link::Sqlite(SqliteConnection::connect(file).await?)],
            Self::Nodes(nodes) => {
                let mut links = Vec::new();
                for node in nodes.all() {
                    let mut link = MySqlConnection::connect(&node.url()).await?;
                    // A node of Galera answers when it has applied what others have committed. Elsewhere this does nothing.
                    link.execute("SET wsrep_sync_wait = 7").await?;
                    links.push(Link::MariaDb(link));
                }
                links
            }
        })
    }
}
