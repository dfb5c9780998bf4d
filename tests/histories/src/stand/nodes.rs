//! The servers of MariaDB: one alone, or three nodes of a Galera cluster.
//!
//! A server keeps its place and its ports, however often it is killed and started again. Each is a process of its own, signalled by
//! descriptor, so that what is done to one node need not wait for another.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use daybook_test_harness::mariadb::program;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _, mysql::MySqlRow,
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

use super::{
    node_files::{self, Durability, GALERA, Ports},
    process::{Guarded, Process},
};

/// How long a server may take to answer one question: it may be frozen meanwhile.
const ANSWER: Duration = Duration::from_secs(15);

/// How long a server may take to be ready: a node of Galera waits for the others, which may be frozen or cut off.
const READY: Duration = Duration::from_secs(120);

/// The name of Daybook's database.
const NAME: &str = "daybook";

/// The servers, each at its place in the list that Daybook has.
#[derive(Debug)]
pub struct Nodes(Vec<Node>);

/// One server of MariaDB.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    ports: Ports,
    is_of_galera: bool,
    running: Mutex<Option<Guarded>>,
    /// One fault at a time stops, freezes or cuts off a server.
    pub disturbed: Mutex<()>,
}

impl Nodes {
    /// Starts one server, or three nodes, with an empty database. `commit_delay` is how long a COMMIT waits before it is written, where there
    /// is one server; `is_durable`, whether it is acknowledged only when it is.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(
        folder: &Path,
        count: usize,
        commit_delay: Duration,
        is_durable: bool,
    ) -> Result<Self> {
        let is_of_galera = count > 1;
        ensure!(
            !is_of_galera || Path::new(GALERA).is_file(),
            "Galera is not installed: run .ci/test, which installs it"
        );
        let ports: Result<Vec<_>> = (0..count).map(|_| Ports::new()).collect();
        let ports = ports?;
        let group = ports.iter().map(|ports| ports.addresses[1].to_string());
        let group = group.collect::<Vec<_>>().join(",");
        let durability = Durability {
            is_durable,
            commit_delay,
        };
        let mut nodes = Vec::new();
        for (number, ports) in ports.into_iter().enumerate() {
            let folder = folder.join(format!("node{number}"));
            let group = is_of_galera.then_some(&*group);
            let settings = node_files::settings(&folder, number, &ports, group, durability);
            fs::create_dir_all(folder.join("tmp"))?;
            fs::write(folder.join("my.cnf"), settings)?;
            nodes.push(Node {
                folder,
                ports,
                is_of_galera,
                running: Mutex::new(None),
                disturbed: Mutex::new(()),
            });
        }
        let folders: Vec<_> = nodes.iter().map(|node| &*node.folder).collect();
        node_files::install(folder, &folders).await?;
        for (number, node) in nodes.iter().enumerate() {
            let is_first = is_of_galera && number == 0;
            let first: &[&str] = if is_first {
                &["--wsrep-new-cluster"]
            } else {
                &[]
            };
            node.launch(first).await?;
            node.is_ready().await?;
        }
        nodes[0]
            .ask_in("mysql", &format!("CREATE DATABASE {NAME}"))
            .await?;
        Ok(Self(nodes))
    }

    /// All of them.
    pub fn all(&self) -> &[Node] {
        &self.0
    }
}

/// The end of a log.
fn last_words(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

impl Node {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.ports.addresses[0]
    }

    /// The URL of Daybook's database on this server alone, past the wires.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    fn url_of(&self, database: &str) -> String {
        format!("mariadb://root@{}/{database}", self.address())
    }

    /// Kills it, and waits until it is gone.
    pub async fn crash(&self) {
        if let Some(guarded) = self.running.lock().await.take() {
            guarded.kill().await;
        }
    }

    /// Starts it again, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_again(&self) -> Result<()> {
        self.launch_again().await?;
        self.is_ready().await
    }

    async fn launch_again(&self) -> Result<()> {
        if !self.is_of_galera {
            return self.launch(&[]).await;
        }
        // Where a node does not say how far it came, and none of the others knows, the cluster takes itself for a new one.
        let position = self.position().await?;
        self.launch(&[&format!("--wsrep-start-position={position}")])
            .await
    }

    /// How far a node of Galera has come, as its own files say: Debian's `galera_recovery` in a few lines.
    async fn position(&self) -> Result<String> {
        let path = self.folder.join("position.log");
        let _ = fs::remove_file(&path);
        let log = format!("--log-error={}", path.display());
        let asking = self.run(&[&log, "--wsrep-recover"]).await?;
        let begun = Instant::now();
        let position = loop {
            let log = fs::read_to_string(&path).unwrap_or_default();
            let mut lines = log.lines().rev().skip(usize::from(!log.ends_with('\n')));
            let position = lines.find_map(|line| line.split_once("WSREP: Recovered position:"));
            if let Some((_, position)) = position {
                break position.trim().to_owned();
            }
            let is_late = begun.elapsed() > READY || asking.process.has_ended();
            ensure!(!is_late, "it does not say how far it came: {log}");
            sleep(Duration::from_millis(20)).await;
        };
        // Once it has said so, it stops by itself, but sometimes hangs in doing so.
        asking.kill().await;
        Ok(position)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![format!("--defaults-file={}/my.cnf", self.folder.display())];
        if rustix::process::geteuid().is_root() {
            arguments.push("--user=mysql".to_owned());
        }
        arguments
    }

    async fn launch(&self, more: &[&str]) -> Result<()> {
        *self.running.lock().await = Some(self.run(more).await?);
        Ok(())
    }

    async fn run(&self, more: &[&str]) -> Result<Guarded> {
        let arguments = self.arguments();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(more);
        let program = program("mariadbd")
            .context("mariadbd is not installed: run .ci/test, which installs it")?;
        Guarded::start(&program, &arguments, &self.folder.join("out.log")).await
    }

    /// Waits until it answers, and if it is a node of Galera, until it has joined the others. One that has given up is started again.
    async fn is_ready(&self) -> Result<()> {
        let begun = Instant::now();
        let question = if self.is_of_galera {
            "SELECT VARIABLE_VALUE = 'ON' FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_ready'"
        } else {
            "SELECT 1"
        };
        loop {
            if let Ok(rows) = self.ask_in("mysql", question).await
                && let Some(row) = rows.first()
                && row.try_get_unchecked::<i64, _>(0)? == 1
            {
                return Ok(());
            }
            let folder = self.folder.display();
            ensure!(
                begun.elapsed() < READY,
                "a server of MariaDB is not ready: see {folder}"
            );
            let running = self.running.lock().await;
            let has_ended = running
                .as_ref()
                .is_none_or(|guarded| guarded.process.has_ended());
            drop(running);
            if has_ended {
                ensure!(
                    self.is_of_galera,
                    "MariaDB does not start: {}",
                    last_words(&self.folder.join("server.log"))
                );
                self.launch_again().await?;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Does something to its process, if it has one.
    pub async fn with_process(&self, act: impl FnOnce(&Process)) {
        if let Some(guarded) = self.running.lock().await.as_ref() {
            act(&guarded.process);
        }
    }

    /// Cuts a node of Galera off from the others, or lets it have them again. Clients reach it all the while.
    ///
    /// # Errors
    /// When it does not answer for long.
    pub async fn isolate(&self, is_cut_off: bool) -> Result<()> {
        let isolate = u8::from(is_cut_off);
        let order = format!("SET GLOBAL wsrep_provider_options = 'gmcast.isolate={isolate}'");
        let begun = Instant::now();
        while let Err(error) = self.ask_in("mysql", &order).await {
            if begun.elapsed() > READY {
                bail!("a node does not take `{order}`: {error:#}");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Keeps a node of Galera from applying what others have committed, and from committing, for a while. It can be read.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn pause(&self, lasts: Duration) -> Result<()> {
        let mut link = timeout(ANSWER, MySqlConnection::connect(&self.url())).await??;
        timeout(ANSWER, link.execute("FLUSH TABLES WITH READ LOCK")).await??;
        sleep(lasts).await;
        // With the connection, the lock ends in any case.
        link.close().await?;
        Ok(())
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
        self.ask_in(NAME, sql).await
    }

    async fn ask_in(&self, database: &str, sql: &str) -> Result<Vec<MySqlRow>> {
        let url = self.url_of(database);
        let sql = AssertSqlSafe(sql.to_owned());
        let answered = timeout(ANSWER, async {
            let mut link = MySqlConnection::connect(&url).await?;
            let rows = link.fetch_all(sqlx::raw_sql(sql)).await?;
            link.close().await?;
            Ok::<_, sqlx::Error>(rows)
        });
        Ok(answered.await.context("a server does not answer")??)
    }
}
