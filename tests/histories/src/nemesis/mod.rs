//! The nemesis: makes random faults, one after the other, and undoes each.

mod fault;
mod nodes;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

pub use fault::Fault;

use crate::{
    history::{Disturbance, Moment},
    stand::{Database, Daybook, Flow, Process, Role, Servers, Stand, Wire},
};

/// How long a killed server may take to come back. Its database may be away meanwhile.
const RECOVERY: Duration = Duration::from_secs(120);

/// Makes faults.
pub struct Nemesis {
    stand: Arc<Stand>,
    faults: Vec<Fault>,
    rng: Rng,
    clock: std::time::Instant,
    /// Two make faults at once; one at a time stops what is started again.
    restarting: Arc<Mutex<()>>,
    pub disturbances: Vec<Disturbance>,
}

impl Nemesis {
    pub fn new(
        stand: Arc<Stand>,
        faults: Vec<Fault>,
        seed: u64,
        clock: std::time::Instant,
        restarting: Arc<Mutex<()>>,
    ) -> Self {
        Self {
            stand,
            faults,
            rng: Rng::with_seed(seed),
            clock,
            restarting,
            disturbances: Vec::new(),
        }
    }

    /// Makes faults until it is told to stop, about one in each `pause`, and undoes the last.
    ///
    /// # Errors
    /// When something does not come back.
    pub async fn run(mut self, stop: CancellationToken, pause: Duration) -> Result<Self> {
        while !self.faults.is_empty() {
            let pause = pause.mul_f64(2.0 * self.rng.f64());
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            let fault = self.faults[self.rng.usize(..self.faults.len())];
            let server = self.rng.usize(..self.stand.servers.len());
            let begun = self.now();
            let excuses = self
                .make(fault, server)
                .await
                .with_context(|| format!("after {fault}"))?;
            self.disturbances.push(Disturbance {
                fault: fault.to_string(),
                begun,
                ended: self.now(),
                excuses: excuses.then_some(server),
            });
        }
        Ok(self)
    }

    fn now(&self) -> Moment {
        self.clock.elapsed()
    }

    /// A time of up to so many milliseconds.
    fn while_of(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.rng.u64(0..most))
    }

    /// Makes a fault and undoes it. Answers whether the server cannot be expected to answer meanwhile.
    async fn make(&mut self, fault: Fault, server: usize) -> Result<bool> {
        let stand = Arc::clone(&self.stand);
        let server = &stand.servers[server];
        let is_mariadb = matches!(stand.database, Database::Nodes(_));
        match fault {
            Fault::KillServer => {
                let away = self.while_of(800);
                server.kill().await;
                sleep(away).await;
                server.start_at_last(RECOVERY).await?;
            }
            Fault::FreezeServer => self.freeze(server).await,
            Fault::CrashDatabase if is_mariadb => self.crash_node().await?,
            Fault::CrashDatabase => self.crash().await?,
            Fault::FreezeDatabase => self.freeze_node().await?,
            Fault::FailOver => self.fail_over().await?,
            Fault::SwitchOver => self.switch_over().await?,
            Fault::KillBackend if is_mariadb => self.kill_thread("KILL").await?,
            Fault::KillStatement => self.kill_thread("KILL QUERY").await?,
            Fault::KillBackend => {
                let restarting = Arc::clone(&self.restarting);
                let _restarting = restarting.lock().await;
                if let Some(backend) = self.any(Role::Backend).await {
                    backend.kill();
                }
                // Every connection is lost: let some come back before the next fault.
                sleep(self.while_of(500)).await;
            }
            Fault::FreezeBackend => self.freeze_one(Role::Backend, 5000).await,
            Fault::FreezeWalWriter => self.freeze_one(Role::WalWriter, 3000).await,
            Fault::FreezeWalSender => self.freeze_one(Role::WalSender, 3000).await,
            Fault::PauseReplay => {
                let most = self.while_of(4000);
                self.lag("SELECT pg_wal_replay_pause()", most).await?;
            }
            Fault::DelayReplay => {
                let (delay, most) = (self.rng.u64(1..1500), self.while_of(5000));
                let delay = format!("ALTER SYSTEM SET recovery_min_apply_delay = '{delay}ms'");
                self.lag(&delay, most).await?;
            }
            Fault::CutStandbyWire | Fault::SlowStandbyWire | Fault::DarkStandbyWire => {
                let servers = stand.database.servers()?;
                let wire = servers.upstream(self.standby(servers));
                let late = self.while_of(100);
                match fault {
                    Fault::CutStandbyWire => wire.cut(),
                    Fault::SlowStandbyWire => self.weather([wire], Flow::Slow(late), 5000).await,
                    _ => self.weather([wire], Flow::Dark, 6000).await,
                }
            }
            Fault::DarkPrimaryWire | Fault::DarkReplicaWires => {
                let primary = stand.database.servers()?.roles().primary;
                let wires = server.databases.iter().enumerate();
                let wires = wires
                    .filter(|(place, _)| (*place == primary) == (fault == Fault::DarkPrimaryWire));
                let wires: Vec<&Wire> = wires.map(|(_, wire)| wire).collect();
                self.weather(wires, Flow::Dark, 6000).await;
            }
            Fault::CutNode => self.cut_node().await?,
            Fault::PauseNode => self.pause_node().await?,
            Fault::DarkNodeWire => {
                let wire = &server.databases[self.rng.usize(..server.databases.len())];
                self.weather([wire], Flow::Dark, 6000).await;
            }
            Fault::CutDatabaseWire => server.databases.iter().for_each(Wire::cut),
            Fault::ForgottenDatabaseWire => server.databases.iter().for_each(Wire::forget),
            Fault::SlowDatabaseWire => {
                let most = self.while_of(60);
                self.weather(&server.databases, Flow::Slow(most), 3000)
                    .await;
            }
            Fault::DarkDatabaseWire => {
                self.weather(&server.databases, Flow::Dark, 6000).await;
            }
            Fault::CutClientWire => server.clients.cut(),
            Fault::SlowClientWire => {
                let most = self.while_of(200);
                self.weather([&server.clients], Flow::Slow(most), 3000)
                    .await;
            }
            Fault::DarkClientWire => {
                self.weather([&server.clients], Flow::Dark, 4000).await;
            }
        }
        Ok(matches!(
            fault,
            Fault::KillServer
                | Fault::FreezeServer
                | Fault::CutClientWire
                | Fault::SlowClientWire
                | Fault::DarkClientWire
        ))
    }

    async fn freeze(&mut self, server: &Daybook) {
        let still = self.while_of(4000);
        server.with_process(Process::freeze).await;
        sleep(still).await;
        server.with_process(Process::thaw).await;
    }

    async fn freeze_one(&mut self, role: Role, most: u64) {
        let still = self.while_of(most);
        if let Some(process) = self.any(role).await {
            process.freeze();
            sleep(still).await;
            process.thaw();
        }
    }

    /// One of PostgreSQL's processes; none while it is away.
    async fn any(&mut self, role: Role) -> Option<Process> {
        let servers = self.stand.database.servers().ok()?;
        let mut processes = servers.processes(role).await.ok()?;
        (!processes.is_empty()).then(|| processes.swap_remove(self.rng.usize(..processes.len())))
    }

    async fn crash(&mut self) -> Result<()> {
        let away = self.while_of(1200);
        let restarting = Arc::clone(&self.restarting);
        let _restarting = restarting.lock().await;
        let servers = self.stand.database.servers()?;
        servers.crash().await?;
        sleep(away).await;
        servers.start_again().await
    }

    async fn fail_over(&mut self) -> Result<()> {
        let (away, alone) = (self.while_of(1200), self.while_of(1000));
        let (restarting, stand) = (Arc::clone(&self.restarting), Arc::clone(&self.stand));
        let _restarting = restarting.lock().await;
        let servers = stand.database.servers()?;
        // In one of two, the standbys, or one of them, lack what the primary has written last, and nobody was told of.
        if self.rng.bool() {
            let senders = servers.processes(Role::WalSender).await;
            let mut senders = senders.unwrap_or_default();
            if self.rng.bool() && !senders.is_empty() {
                senders.swap_remove(self.rng.usize(..senders.len()));
            }
            senders.iter().for_each(Process::freeze);
            sleep(self.while_of(1000)).await;
        }
        servers.crash().await?;
        sleep(away).await;
        // Meanwhile it takes a COMMIT and does not acknowledge it.
        servers.fail_over(alone).await?;
        self.stand.lead();
        Ok(())
    }

    async fn switch_over(&mut self) -> Result<()> {
        let alone = self.while_of(1000);
        let restarting = Arc::clone(&self.restarting);
        let _restarting = restarting.lock().await;
        self.stand.database.servers()?.switch_over(alone).await?;
        self.stand.lead();
        Ok(())
    }

    /// The place of one of the standbys.
    fn standby(&mut self, servers: &Servers) -> usize {
        let standbys = servers.standbys();
        standbys[self.rng.usize(..standbys.len())]
    }

    /// Has one of the standbys fall behind for a while. It may have become the primary meanwhile, or have been made anew.
    async fn lag(&mut self, order: &str, lasts: Duration) -> Result<()> {
        let stand = Arc::clone(&self.stand);
        let servers = stand.database.servers()?;
        let standby = self.standby(servers);
        // Where it does not answer now, it may have been told all the same.
        if servers.tell(standby, order).await.is_ok() {
            let _ = servers.tell(standby, "SELECT pg_reload_conf()").await;
            sleep(lasts).await;
        }
        servers.go_on(standby).await
    }

    /// Changes how bytes go on wires: there, back, or both ways.
    async fn weather<'a>(
        &mut self,
        wires: impl IntoIterator<Item = &'a Wire>,
        flow: Flow,
        most: u64,
    ) {
        let wires: Vec<&Wire> = wires.into_iter().collect();
        let (there, back) = match self.rng.u8(0..3) {
            0 => (flow, Flow::Free),
            1 => (Flow::Free, flow),
            _ => (flow, flow),
        };
        let lasts = self.while_of(most);
        wires.iter().for_each(|wire| wire.set(there, back));
        sleep(lasts).await;
        wires
            .iter()
            .for_each(|wire| wire.set(Flow::Free, Flow::Free));
    }
}
