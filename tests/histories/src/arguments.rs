//! The command line.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;

use crate::{nemesis::Fault, stand::Kind};

/// Random operations against the real server while everything fails around it, and a check of the history that they make.
///
/// It says what was tried, what was acknowledged, and every anomaly, and exits with 1 where there is one.
#[derive(Debug, Parser)]
#[command(name = "daybook-histories", version)]
pub struct Arguments {
    /// sqlite; postgres; mariadb; cluster, which is PostgreSQL with a synchronous standby and an asynchronous one, and failovers; or galera,
    /// which is three nodes of MariaDB
    #[arg(value_parser = kind)]
    pub kind: Kind,
    /// How many seconds clients and nemesis are at work
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// What everything random begins with; the clock, where not said. Schedules are not repeated by it, operations and faults are
    #[arg(long)]
    pub seed: Option<u64>,
    /// Which faults, with commas between; all, or none
    #[arg(long, default_value = "all")]
    pub faults: String,
    /// The mean time between two faults of one of the two that make them, in milliseconds
    #[arg(long, default_value_t = 1500)]
    pub calm: u64,
    /// How many clients send operations
    #[arg(long, default_value_t = 8)]
    pub clients: usize,
    /// The mean time between an answer and the client's next operation, in milliseconds
    #[arg(long, default_value_t = 10)]
    pub pause: u64,
    /// How many servers are beside each other on the database; 1 on SQLite, and 2 elsewhere
    #[arg(long)]
    pub servers: Option<usize>,
    /// Whether queries may be read on the standbys of a cluster: clients share the newest token
    #[arg(long)]
    pub replicas: bool,
    /// Whether clients show no token
    #[arg(long)]
    pub no_tokens: bool,
    /// How old a query without a token may be, as 30s; with --replicas. To see that the check finds old reads
    #[arg(long)]
    pub max_staleness: Option<String>,
    /// Whether COMMIT waits for no standby of a cluster; on MariaDB, for no log. To see that the check finds what is lost then
    #[arg(long)]
    pub asynchronous: bool,
    /// The deadline of an operation, in milliseconds
    #[arg(long, default_value_t = 3000)]
    pub deadline: u64,
    /// How long after its deadline the server may take to find out the outcome, in milliseconds
    #[arg(long, default_value_t = 10_000)]
    pub bound: u64,
    /// How long PostgreSQL or MariaDB waits in COMMIT before it writes, in milliseconds, at most 100: a window in which it can be stopped
    #[arg(long, default_value_t = 20)]
    pub commit_delay: u64,
    /// The daybook program to test; that beside this program, where not said
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// A folder for the history and the servers' logs
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// How many anomalies of each kind are told
    #[arg(long, default_value_t = 5)]
    pub tell: usize,
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "sqlite" => Ok(Kind::Sqlite),
        "postgres" => Ok(Kind::Postgres),
        "mariadb" => Ok(Kind::MariaDb),
        "cluster" => Ok(Kind::Cluster),
        "galera" => Ok(Kind::Galera),
        _ => Err("there are sqlite, postgres, mariadb, cluster and galera".to_owned()),
    }
}

impl Arguments {
    /// The program to test.
    ///
    /// # Errors
    /// When there is none.
    pub fn program(&self) -> Result<PathBuf> {
        let program = match &self.binary {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("daybook"),
        };
        ensure!(
            program.is_file(),
            "there is no program {}: build it, or name it with --binary",
            program.display()
        );
        program.canonicalize().context("the program to test")
    }

    /// The faults to make.
    ///
    /// # Errors
    /// When one is not known, or the database cannot have it.
    pub fn faults(&self) -> Result<Vec<Fault>> {
        match self.faults.as_str() {
            "all" => return Ok(Fault::of(self.kind)),
            "none" => return Ok(Vec::new()),
            _ => {}
        }
        let faults: Result<Vec<Fault>, String> = self
            .faults
            .split(',')
            .map(|name| name.trim().parse())
            .collect();
        let faults = faults.map_err(anyhow::Error::msg)?;
        let not_here = faults
            .iter()
            .find(|fault| !Fault::of(self.kind).contains(fault));
        if let Some(fault) = not_here {
            bail!("{:?} cannot have {fault}", self.kind);
        }
        Ok(faults)
    }

    /// Checks what makes sense only together.
    ///
    /// # Errors
    /// When there are to be replicas where there is no standby, or what needs them without them.
    pub fn check(&self) -> Result<()> {
        let is_cluster = self.kind == Kind::Cluster;
        ensure!(!self.replicas || is_cluster, "--replicas needs a cluster");
        ensure!(
            !self.asynchronous || is_cluster || self.kind == Kind::MariaDb,
            "--asynchronous needs a cluster, or MariaDB"
        );
        let is_of_replicas = self.no_tokens || self.max_staleness.is_some();
        ensure!(
            self.replicas || !is_of_replicas,
            "--no-tokens and --max-staleness need --replicas"
        );
        Ok(())
    }

    /// What else is special, in words.
    pub fn modes(&self) -> String {
        let modes = [
            (self.replicas, "reads on its standbys"),
            (self.no_tokens, "no tokens"),
            (self.max_staleness.is_some(), "old reads"),
            (self.asynchronous, "COMMIT does not wait"),
        ];
        let modes = modes.iter().filter(|(is, _)| *is);
        modes.map(|(_, mode)| format!(", {mode}")).collect()
    }

    pub fn servers(&self) -> usize {
        self.servers.unwrap_or(match self.kind {
            Kind::Sqlite => 1,
            Kind::Postgres | Kind::MariaDb | Kind::Cluster | Kind::Galera => 2,
        })
    }

    /// How long an answer may take: deadline, bound, and slack for a busy machine.
    pub const fn answered_within(&self) -> Duration {
        Duration::from_millis(self.deadline + self.bound + 4000)
    }
}
