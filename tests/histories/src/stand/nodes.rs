//! The servers of MariaDB: one alone.
//!
//! A server keeps its place and its port, however often it is killed and started again.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use daybook_test_harness::mariadb::MariaDbServer;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _, mysql::MySqlRow,
};
use tokio::{net::TcpSocket, time::timeout};

/// How long a server may take to answer one question: it may be frozen meanwhile.
const ANSWER: Duration = Duration::from_secs(15);

/// The name of Daybook's database.
const NAME: &str = "daybook";

/// The servers, each at its place in the list that Daybook has.
#[derive(Debug)]
pub struct Nodes(Vec<Node>);

/// One server of MariaDB.
#[derive(Debug)]
pub struct Node {
    server: Arc<MariaDbServer>,
    address: SocketAddr,
    /// Keeps the port from being given to an outgoing connection while the server is away.
    reserved: Mutex<Option<TcpSocket>>,
    /// One fault at a time stops, freezes or cuts off a server.
    pub disturbed: tokio::sync::Mutex<()>,
}

impl Nodes {
    /// Starts one server with an empty database. `commit_delay` is how long a COMMIT waits before it is written, and
    /// `is_durable` whether it is acknowledged only when it is.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(commit_delay: Duration, is_durable: bool) -> Result<Self> {
        let is_durable = u8::from(is_durable).to_string();
        let delay = commit_delay.as_micros().to_string();
        let server = tokio::task::spawn_blocking(move || {
            MariaDbServer::start(&[
                ("innodb-flush-method", "fsync"),
                ("innodb-flush-log-at-trx-commit", &is_durable),
                // The log that COMMIT is written to first: it waits there for others, which never are as many.
                ("log-bin", "log"),
                ("binlog-format", "ROW"),
                ("sync-binlog", &is_durable),
                ("binlog-commit-wait-count", "1000"),
                ("binlog-commit-wait-usec", &delay),
            ])
        });
        let node = Node::of(server.await?)?;
        let create = format!("CREATE DATABASE {NAME}");
        let mut link = MySqlConnection::connect(node.server.url()).await?;
        link.execute(AssertSqlSafe(create)).await?;
        link.close().await?;
        Ok(Self(vec![node]))
    }

    /// All of them.
    pub fn all(&self) -> &[Node] {
        &self.0
    }
}

impl Node {
    fn of(server: MariaDbServer) -> Result<Self> {
        let address = server.url().split('@').nth(1);
        let address = address.and_then(|rest| rest.split('/').next());
        Ok(Self {
            address: address.context("an address")?.parse()?,
            server: Arc::new(server),
            reserved: Mutex::new(None),
            disturbed: tokio::sync::Mutex::new(()),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of Daybook's database on this server alone, past the wires.
    pub fn url(&self) -> String {
        self.server.database_url(NAME)
    }

    /// Kills it.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn crash(&self) -> Result<()> {
        self.order(MariaDbServer::crash).await?;
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        if reserved.is_none() {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            *reserved = Some(socket);
        }
        Ok(())
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&self) -> Result<()> {
        self.order(MariaDbServer::start_again).await
    }

    /// Has it stand still.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn freeze(&self) -> Result<()> {
        self.order(MariaDbServer::freeze).await
    }

    /// Has it go on.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn thaw(&self) -> Result<()> {
        self.order(MariaDbServer::thaw).await
    }

    async fn order(&self, order: fn(&MariaDbServer)) -> Result<()> {
        let server = Arc::clone(&self.server);
        Ok(tokio::task::spawn_blocking(move || order(&server)).await?)
    }

    /// Every thread that serves a client, and whether it has something to do.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn threads(&self) -> Result<Vec<(i64, bool)>> {
        let sql = "SELECT CAST(ID AS SIGNED), CAST(COMMAND <> 'Sleep' OR EXISTS (
                SELECT * FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = ID
            ) AS SIGNED)
            FROM information_schema.PROCESSLIST
            WHERE ID <> CONNECTION_ID() AND COMMAND <> 'Daemon' AND USER <> 'system user'";
        let rows = self.ask(sql).await?;
        let threads = rows.iter().map(|row| {
            let is_busy: i64 = row.try_get_unchecked(1)?;
            Ok((row.try_get_unchecked(0)?, is_busy != 0))
        });
        threads.collect()
    }

    /// Asks it, past the wires.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(&self, sql: &str) -> Result<Vec<MySqlRow>> {
        let url = self.url();
        let sql = AssertSqlSafe(sql.to_owned());
        let answered = timeout(ANSWER, async {
            let mut link = MySqlConnection::connect(&url).await?;
            let rows = sqlx::raw_sql(sql).fetch_all(&mut link).await?;
            link.close().await?;
            Ok::<_, sqlx::Error>(rows)
        });
        Ok(answered.await.context("a server does not answer")??)
    }
}
