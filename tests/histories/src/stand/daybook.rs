//! One Daybook server: a process that can be killed, frozen and started again, with a wire to its clients and one to its database.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::{net::TcpSocket, sync::Mutex, time::sleep};

use super::{
    Plan,
    process::{Guarded, Process},
    wire::Wire,
};

/// How long a server may take to say where it listens. A killed one is started beside everything else.
const START: Duration = Duration::from_secs(30);

/// A Daybook server.
#[derive(Debug)]
pub struct Daybook {
    program: PathBuf,
    log: PathBuf,
    arguments: Vec<String>,
    running: Mutex<Option<Guarded>>,
    /// Where it listens, each time that it is started.
    listens: SocketAddr,
    /// Keeps the port from being given to an outgoing connection while the server is away. It does not listen, so the
    /// server can.
    _reserved: TcpSocket,
    /// What clients connect to.
    pub clients: Wire,
    /// What it connects to: a wire to each place of the database, none to a file.
    pub databases: Vec<Wire>,
}

impl Daybook {
    /// A server of this database on a free port, which may read its standbys if the plan says so. It is not started yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn new(
        plan: &Plan<'_>,
        log: PathBuf,
        database_url: &str,
        databases: Vec<Wire>,
    ) -> Result<Self> {
        let reserved = TcpSocket::new_v4()?;
        reserved.set_reuseaddr(true)?;
        reserved.bind(([127, 0, 0, 1], 0).into())?;
        let listens = reserved.local_addr()?;
        let mut arguments = [
            "serve",
            "--listen",
            &listens.to_string(),
            "--database",
            database_url,
            "--deadline",
            &format!("{}ms", plan.deadline.as_millis()),
            "--no-playground",
        ]
        .map(str::to_owned)
        .to_vec();
        if plan.replicas {
            arguments.extend(["--replica".to_owned(), database_url.to_owned()]);
        }
        if let Some(staleness) = plan.max_staleness {
            arguments.extend(["--max-staleness".to_owned(), staleness.to_owned()]);
        }
        Ok(Self {
            program: plan.program.to_owned(),
            log,
            arguments,
            running: Mutex::new(None),
            listens,
            _reserved: reserved,
            clients: Wire::to(listens).await?,
            databases,
        })
    }

    /// Starts it, unless it runs, and waits until it listens.
    ///
    /// # Errors
    /// When it ends instead: its database cannot be reached, for one.
    pub async fn start(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if running.is_some() {
            return Ok(());
        }
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut guarded = Guarded::start(&self.program, &arguments, &self.log).await?;
        match guarded.line(START).await {
            Ok(Some(line)) if line.contains(&self.listens.to_string()) => {
                *running = Some(guarded);
                Ok(())
            }
            said => {
                guarded.kill().await;
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                bail!("Daybook did not start: {said:?}, {last}")
            }
        }
    }

    /// Starts it, again and again until it listens: its database may be away for a while.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn start_at_last(&self, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.start().await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > patience => return Err(error),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Ends it at once, in the middle of whatever it does.
    pub async fn kill(&self) {
        if let Some(guarded) = self.running.lock().await.take() {
            guarded.kill().await;
        }
    }

    /// Does something to its process, if it has one.
    pub async fn with_process(&self, act: impl FnOnce(&Process)) {
        if let Some(guarded) = self.running.lock().await.as_ref() {
            act(&guarded.process);
        }
    }

    /// Runs another command of the program on a database, and answers what it said where it failed.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub async fn run(program: &Path, command: &str, database_url: &str) -> Result<Option<String>> {
        let running = tokio::process::Command::new(program)
            .args([command, "--database", database_url])
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(300), running).await;
        let output = output
            .with_context(|| format!("daybook {command} takes too long"))?
            .with_context(|| format!("cannot run {}", program.display()))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((!output.status.success()).then_some(said))
    }
}
