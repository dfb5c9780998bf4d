//! What a server of MariaDB is made of: its ports, its settings and its data.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::mariadb::program;
use tokio::{net::TcpSocket, process::Command};

/// Galera's library, as Debian has it.
pub(super) const GALERA: &str = "/usr/lib/galera/libgalera_smm.so";

/// A node that is silent is given up after a second instead of five. A node that starts waits for the others as long as faults last.
const TIMING: &str = "evs.suspect_timeout=PT1S;evs.inactive_timeout=PT3S;evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;\
     pc.wait_prim_timeout=PT2M";

/// Where a server listens: for SQL, and a node of Galera for its group and two kinds of state transfer.
#[derive(Debug)]
pub(super) struct Ports {
    pub addresses: Vec<SocketAddr>,
    /// Keep the ports from being given to an outgoing connection while the server is away. They do not listen, so the server can.
    _reserved: Vec<TcpSocket>,
}

impl Ports {
    pub fn new() -> Result<Self> {
        let (mut addresses, mut reserved) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(([127, 0, 0, 1], 0).into())?;
            addresses.push(socket.local_addr()?);
            reserved.push(socket);
        }
        Ok(Self {
            addresses,
            _reserved: reserved,
        })
    }
}

/// How a server keeps what is committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Durability {
    /// Whether a COMMIT is acknowledged only when it is written.
    pub is_durable: bool,
    /// How long a COMMIT waits before it is written, where there is one server.
    pub commit_delay: Duration,
}

/// The settings of a server. `group` is where the nodes of a cluster find each other.
pub(super) fn settings(
    folder: &Path,
    number: usize,
    ports: &Ports,
    group: Option<&str>,
    durability: Durability,
) -> String {
    let own = settings_of_each(folder, ports, durability);
    own + &match group {
        Some(group) => settings_of_galera(number, ports, group),
        None => settings_of_one(durability),
    }
}

/// The log that COMMIT is written to first: it waits there for others, which never are as many.
fn settings_of_one(durability: Durability) -> String {
    format!(
        "log-bin = log
sync-binlog = {}
binlog-commit-wait-count = 1000
binlog-commit-wait-usec = {}
",
        u8::from(durability.is_durable),
        durability.commit_delay.as_micros()
    )
}

fn settings_of_each(folder: &Path, ports: &Ports, durability: Durability) -> String {
    let folder = folder.display();
    format!(
        "[mysqld]
datadir = {folder}/data
# Two servers with one such folder remove each other's files.
tmpdir = {folder}/tmp
socket = {folder}/socket
pid-file = {folder}/pid
log-error = {folder}/server.log
port = {}
bind-address = 127.0.0.1
skip-name-resolve
character-set-server = utf8mb4
binlog-format = ROW
innodb-buffer-pool-size = 64M
innodb-log-file-size = 32M
innodb-flush-log-at-trx-commit = {}
max-connections = 200
performance-schema = OFF
",
        ports.addresses[0].port(),
        u8::from(durability.is_durable)
    )
}

fn settings_of_galera(number: usize, ports: &Ports, group: &str) -> String {
    let [sql, own, ist, sst] = [0, 1, 2, 3].map(|place| ports.addresses[place]);
    format!(
        "innodb-autoinc-lock-mode = 2
wsrep-on = ON
wsrep-provider = {GALERA}
wsrep-cluster-name = histories
wsrep-cluster-address = gcomm://{group}
wsrep-node-name = node{number}
wsrep-node-address = {sql}
wsrep-node-incoming-address = {sql}
wsrep-sst-method = rsync
wsrep-sst-receive-address = {sst}
wsrep-slave-threads = 2
wsrep-provider-options = \"base_host={};base_port={};gmcast.listen_addr=tcp://{own};ist.recv_addr={ist};gcache.size=64M;pc.recovery=true;{TIMING}\"
",
        own.ip(),
        own.port()
    )
}

/// The data of empty servers. MariaDB refuses to run as root, and whom it runs as instead must be able to enter its folder.
pub(super) async fn install(folder: &Path, nodes: &[&Path]) -> Result<()> {
    let install = program("mariadb-install-db").context("mariadb-install-db is not installed")?;
    // All nodes begin with the same data, so none has to be sent it.
    let script = r#"
        set -e
        folder=$1; install=$2; shift 2
        "$install" --no-defaults --datadir="$folder/data" --auth-root-authentication-method=normal --skip-test-db
        chmod a+x "$folder"
        for node; do cp -a "$folder/data" "$node/data"; done
        rm -r "$folder/data"
        [ "$(id -u)" != 0 ] || chown -R mysql "$@""#;
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "install"])
        .arg(folder)
        .arg(install);
    command.args(nodes);
    let output = command.kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "MariaDB cannot be installed: {said}"
    );
    Ok(())
}
