//! A private Galera cluster of three MariaDB nodes (`galera.sh`).
//!
//! It is started once for a process of tests, in about ten seconds. A test has it for itself ([`cluster`]), with all three nodes, whatever the test
//! before has done to them.

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use url::Url;
use uuid::Uuid;

use crate::mariadb::program;
use crate::script::{Script, free_ports};
use crate::{Engine, Observer, TestDatabase, list};

const SCRIPT: &str = include_str!("galera.sh");

const LIBRARY: &str = "/usr/lib/galera/libgalera_smm.so";

/// Ports of one node.
const PORTS: usize = 4;

const NODES: usize = 3;

/// What tests want of a server: speed, and a small memory.
const SETTINGS: &str = "--innodb-flush-method=nosync --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --performance-schema=OFF \
     --max-connections=200 --character-set-server=utf8mb4";

/// How long a node may take to answer or to join again.
const LIMIT: Duration = Duration::from_secs(30);

/// What a test has done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    Down,
    Frozen,
    CutOff,
}

/// The three nodes, which are numbered from 0.
#[derive(Debug)]
pub struct GaleraCluster {
    script: Arc<Script>,
    ports: Vec<u16>,
    states: [State; NODES],
}

static CLUSTER: Mutex<Option<GaleraCluster>> = Mutex::const_new(None);

/// The cluster of this process, for one test at a time. All of its nodes are there.
///
/// # Panics
///
/// Where MariaDB or Galera is not installed, or a node does not start.
pub async fn cluster() -> Galera {
    let mut cluster = CLUSTER.lock().await;
    match &mut *cluster {
        Some(cluster) => cluster.heal().await,
        None => *cluster = Some(blocking(GaleraCluster::start).await),
    }
    Galera(cluster)
}

/// The cluster, as long as a test has it.
#[derive(Debug)]
pub struct Galera(MutexGuard<'static, Option<GaleraCluster>>);

impl Galera {
    fn cluster(&mut self) -> &mut GaleraCluster {
        self.0.as_mut().expect("it was started")
    }

    /// The URL of a database on one node.
    ///
    /// # Panics
    ///
    /// Where there is none of this number.
    pub fn url(&self, node: usize, database: &str) -> String {
        let cluster = self.0.as_ref().expect("it was started");
        cluster.url(node, database)
    }

    /// A URL that names these nodes, in this order.
    ///
    /// # Panics
    ///
    /// Where there is none of a number.
    pub fn list(&self, nodes: &[usize], database: &str) -> String {
        let urls: Vec<_> = nodes.iter().map(|node| self.url(*node, database)).collect();
        list(&urls)
    }

    /// Makes an empty database, and returns its name.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn database(&self) -> String {
        let name = format!("daybook_{}", Uuid::new_v4().simple());
        let observer = self.observer(0, "mysql").await;
        observer.execute(&format!("CREATE DATABASE {name}")).await;
        name
    }

    /// A database as one node shows it.
    pub fn database_on(&self, node: usize, database: &str) -> TestDatabase {
        TestDatabase::on_a_node(self.url(node, database), database)
    }

    /// A connection of its own to one node, which sees all that is committed anywhere.
    ///
    /// # Panics
    ///
    /// When it cannot connect.
    pub async fn observer(&self, node: usize, database: &str) -> Observer {
        let observer = Observer::connect(Engine::MariaDb, &self.url(node, database)).await;
        observer.execute("SET wsrep_sync_wait = 7").await;
        observer
    }

    /// Kills a node with SIGKILL.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub async fn crash(&mut self, node: usize) {
        self.cluster().order("crash", node, State::Down).await;
    }

    /// Stops a node in order.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub async fn stop(&mut self, node: usize) {
        self.cluster().order("stop", node, State::Down).await;
    }

    /// Starts a node again, and waits until it has joined the others.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&mut self, node: usize) {
        self.cluster().order("start", node, State::Well).await;
    }

    /// Freezes a node, until [`Self::thaw`].
    ///
    /// # Panics
    ///
    /// When it cannot be frozen.
    pub async fn freeze(&mut self, node: usize) {
        self.cluster().order("freeze", node, State::Frozen).await;
    }

    /// Lets a frozen node go on.
    ///
    /// # Panics
    ///
    /// When it is not there.
    pub async fn thaw(&mut self, node: usize) {
        self.cluster().order("thaw", node, State::Well).await;
    }

    /// Cuts a node off from the others. Clients reach it.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn cut_off(&mut self, node: usize) {
        self.cluster().isolate(node, true).await;
    }

    /// Lets a node that was cut off have the others again.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn join(&mut self, node: usize) {
        self.cluster().isolate(node, false).await;
    }

    /// Waits until all three nodes are there, and are ready.
    ///
    /// # Panics
    ///
    /// When they do not become ready.
    pub async fn heal(&mut self) {
        self.cluster().heal().await;
    }
}

impl GaleraCluster {
    fn start() -> Self {
        let program = |name| {
            program(name).unwrap_or_else(|| {
                panic!("MariaDB's server program {name} is not installed: run `.ci/test`, which installs it")
            })
        };
        let library = std::path::Path::new(LIBRARY);
        assert!(
            library.exists(),
            "Galera's library {LIBRARY} is not installed: run `.ci/test`, which installs it"
        );
        let ports = free_ports(NODES * PORTS);
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "galera"])
            .arg(program("mariadbd"))
            .arg(program("mariadb-install-db"))
            .arg(library)
            .arg(env::temp_dir())
            .arg(SETTINGS)
            .args(ports.iter().map(u16::to_string));
        let (_, script) =
            Script::start(command).unwrap_or_else(|said| panic!("Galera did not start:\n{said}"));
        Self {
            script: Arc::new(script),
            ports: ports.into_iter().step_by(PORTS).collect(),
            states: [State::Well; NODES],
        }
    }

    fn url(&self, node: usize, database: &str) -> String {
        let port = self.ports[node];
        let mut url = Url::parse(&format!("mariadb://root@127.0.0.1:{port}/")).unwrap();
        url.set_path(database);
        url.into()
    }

    async fn order(&mut self, order: &'static str, node: usize, state: State) {
        let script = Arc::clone(&self.script);
        blocking(move || script.order(&format!("{order} {}", node + 1))).await;
        self.states[node] = state;
    }

    async fn isolate(&mut self, node: usize, cut: bool) {
        let observer = Observer::connect(Engine::MariaDb, &self.url(node, "")).await;
        let sql = format!(
            "SET GLOBAL wsrep_provider_options = 'gmcast.isolate={}'",
            u8::from(cut)
        );
        observer.execute(&sql).await;
        self.states[node] = if cut { State::CutOff } else { State::Well };
    }

    async fn heal(&mut self) {
        for node in 0..NODES {
            match self.states[node] {
                State::Well => {}
                State::Frozen => self.order("thaw", node, State::Well).await,
                State::CutOff => self.isolate(node, false).await,
                State::Down => {}
            }
        }
        let down: Vec<_> = (0..NODES)
            .filter(|node| self.states[*node] == State::Down)
            .collect();
        if !down.is_empty() {
            let script = Arc::clone(&self.script);
            let nodes: String = down.iter().map(|node| format!(" {}", node + 1)).collect();
            blocking(move || script.order(&format!("start{nodes}"))).await;
        }
        for node in down {
            self.states[node] = State::Well;
        }
        for node in 0..NODES {
            self.ready(node).await;
        }
    }

    /// Waits until a node is ready, with all others.
    async fn ready(&self, node: usize) {
        let waited = tokio::time::timeout(LIMIT, async {
            let observer = Observer::connect(Engine::MariaDb, &self.url(node, "mysql")).await;
            let status =
                "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_size')";
            loop {
                let values = observer.column(status, 1).await;
                let values: Vec<_> = values.iter().flatten().map(String::as_str).collect();
                if values == ["3", "ON"] {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "node {node} does not become ready");
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let run = tokio::task::spawn_blocking(run).await;
    run.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
