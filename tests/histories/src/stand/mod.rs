//! What is tested, and where it can be disturbed: the servers, their database, and the wires between.

mod database;
mod daybook;
mod node_files;
mod nodes;
mod process;
mod role;
mod servers;
mod takeover;
mod wire;

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};

pub use database::{Database, Kind, Link};
pub use daybook::Daybook;
pub use process::Process;
use process::Removal;
pub use role::Role;
pub use servers::Servers;
pub use wire::{Flow, Wire};

/// Everything that a run runs.
#[derive(Debug)]
pub struct Stand {
    // The servers first: they go before their database does.
    pub servers: Vec<Daybook>,
    pub database: Database,
    /// The folder of logs and of SQLite's file.
    folder: Removal,
}

/// What a stand is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    pub kind: Kind,
    pub program: &'a Path,
    pub servers: usize,
    /// Whether COMMIT waits for a standby of a cluster; on MariaDB, for its log.
    pub is_synchronous: bool,
    /// Whether queries may be read on standbys.
    pub replicas: bool,
    /// How old queries without a token may be, in Daybook's words.
    pub max_staleness: Option<&'a str>,
    pub deadline: Duration,
    /// How long PostgreSQL or MariaDB waits in COMMIT before it writes: a window in which it can be stopped.
    pub commit_delay: Duration,
    /// Where logs are kept; they go with everything else where it is not said.
    pub logs: Option<&'a Path>,
}

impl Stand {
    /// Starts the database and the servers.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn build(plan: Plan<'_>) -> Result<Self> {
        let folder = tempfile::TempDir::with_prefix("daybook-histories.")?.keep();
        let removal = Removal::of(&folder)?;
        let database =
            Database::start(plan.kind, &folder, plan.commit_delay, plan.is_synchronous).await?;
        let migrated = Daybook::run(plan.program, "migrate", &database.url()).await?;
        if let Some(said) = migrated {
            anyhow::bail!("daybook migrate: {said}");
        }
        let logs = plan.logs.unwrap_or(&folder);
        let mut servers = Vec::new();
        for number in 0..plan.servers {
            let mut wires = Vec::new();
            for address in database.addresses() {
                wires.push(Wire::to(address).await?);
            }
            let url = database.url_by(&wires.iter().map(|wire| wire.address).collect::<Vec<_>>());
            let log = logs.join(format!("daybook-{number}.log"));
            let server = Daybook::new(&plan, log, &url, wires).await?;
            server.start().await.context("at the beginning")?;
            servers.push(server);
        }
        Ok(Self {
            servers,
            database,
            folder: removal,
        })
    }

    /// Where clients find each server.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.servers.iter().map(|server| server.clients.address);
        addresses.collect()
    }

    /// Leads every server to where the servers of the database are now.
    pub fn lead(&self) {
        let addresses = self.database.addresses();
        for server in &self.servers {
            let wires = server.databases.iter().zip(&addresses);
            wires.for_each(|(wire, address)| wire.lead_to(*address));
        }
    }

    /// Ends everything.
    pub async fn stop(self) {
        for server in &self.servers {
            server.kill().await;
        }
        self.folder.now().await;
    }
}
