//! The command line.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::Result;

use clap::{Parser, ValueEnum};

use crate::{data::Size, http::Pace, workload::Workload};

/// Measures what an operation of Daybook costs, as ratios to pgbench and to a bare server.
#[derive(Debug, Parser)]
#[command(name = "daybook-bench", version)]
pub struct Arguments {
    /// A table to begin with, in about two minutes: a small ledger, two short rounds, and the results in words at the end
    #[arg(long)]
    pub quick: bool,
    /// What to measure, separated by commas; everything by default
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<Name>,
    /// On which engine; on all by default
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Engine>,
    /// Measure a primary with two replicas instead: what it spends on a read with none, one and both, where reads go, and what a
    /// consistency token costs
    #[arg(long, conflicts_with_all = ["only", "engine", "without_bare"])]
    pub replicas: bool,
    /// On how many connections, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "16", value_name = "N")]
    connections: Vec<usize>,
    /// How many rounds; the median counts
    #[arg(
        long,
        default_value = "5",
        default_value_if("quick", "true", "2"),
        value_name = "N"
    )]
    pub rounds: usize,
    /// How long a round of each subject is
    #[arg(
        long,
        default_value = "2",
        default_value_if("quick", "true", "1"),
        value_name = "SECONDS"
    )]
    pub seconds: u64,
    /// How many accounts to load
    #[arg(
        long,
        default_value = "100000",
        default_value_if("quick", "true", "10000"),
        value_name = "N"
    )]
    pub accounts: u64,
    /// How many lines to load
    #[arg(
        long,
        default_value = "1000000",
        default_value_if("quick", "true", "100000"),
        value_name = "N"
    )]
    pub lines: u64,
    /// Let operations arrive at this rate a second, whether or not those before are answered (latency counts from when an
    /// operation was due)
    #[arg(long, value_name = "RATE")]
    pub open: Option<f64>,
    /// Leave out the servers without a unit of work
    #[arg(long)]
    pub without_bare: bool,
    /// Where to write the results, as JSON
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Where to draw the results, as SVG
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
    /// Measure nothing, and draw these results
    #[arg(long, value_name = "FILE", requires = "chart")]
    pub draw: Option<PathBuf>,
    /// Results of an earlier run to compare with
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Take this file's lock while measuring, so that what else the machine does can be made to wait
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// The server; the one beside this program by default
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
}

impl Arguments {
    /// What to measure.
    pub fn workloads(&self) -> Vec<Workload> {
        let wanted = |workload: &Workload| {
            self.only.is_empty() || self.only.iter().any(|name| name.0 == *workload)
        };
        Workload::ALL.into_iter().filter(wanted).collect()
    }

    /// On how many connections.
    pub fn connections(&self) -> Vec<usize> {
        self.connections.clone()
    }

    /// Whether to measure on PostgreSQL.
    pub fn postgres(&self) -> bool {
        self.engine.is_none_or(|engine| engine == Engine::Postgres)
    }

    /// Whether to measure on SQLite.
    pub fn sqlite(&self) -> bool {
        self.engine.is_none_or(|engine| engine == Engine::Sqlite)
    }

    /// Whether to measure on MariaDB.
    pub fn mariadb(&self) -> bool {
        self.engine == Some(Engine::MariaDb)
    }

    /// How much to load.
    ///
    /// # Errors
    /// When the formula cannot make so much.
    pub fn size(&self) -> Result<Size> {
        Size::new(self.accounts, self.lines)
    }

    /// How operations arrive.
    pub fn pace(&self) -> Pace {
        self.open.map_or(Pace::Closed, Pace::Open)
    }

    /// How long a round is.
    pub fn round(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accounts and {} lines", self.accounts, self.lines)
    }
}

/// What the ledger is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A private server.
    #[value(name = "mariadb")]
    MariaDb,
    /// A private server.
    Postgres,
    /// A file.
    Sqlite,
}

/// The name of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Name(Workload);

impl ValueEnum for Name {
    fn value_variants<'a>() -> &'a [Self] {
        const {
            &[
                Self(Workload::N0),
                Self(Workload::Q1),
                Self(Workload::Q2),
                Self(Workload::M1),
                Self(Workload::H1),
                Self(Workload::L1),
            ]
        }
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()).help(self.0.what()))
    }
}
