//! The private MariaDB server of this test process.
//!
//! As that of PostgreSQL, it is started on first use, listens on a free port of the loopback address, keeps its data in a temporary
//! folder, and goes with this process, however that ends (`mariadb.sh`).
//!
//! With `DAYBOOK_TEST_MARIADB_URL` set, the tests use that server instead; its user must be allowed to create databases.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use url::Url;

use crate::script::{PORTS, Script, free_ports};

/// The environment variable that names a server to use instead of a private one.
pub const SERVER_URL: &str = "DAYBOOK_TEST_MARIADB_URL";

const SCRIPT: &str = include_str!("mariadb.sh");

/// What tests want of a server: speed, and a small memory. What it stores need not survive a power cut.
const TEST_SETTINGS: &[(&str, &str)] = &[
    ("innodb-flush-method", "nosync"),
    // What InnoDB does not write: logs and definitions of tables and triggers. Creating the ledger's takes a third of the time.
    ("debug-no-sync", "ON"),
    ("innodb-buffer-pool-size", "64M"),
    ("innodb-log-file-size", "16M"),
    ("performance-schema", "OFF"),
    ("max-connections", "400"),
    ("character-set-server", "utf8mb4"),
];

/// A MariaDB server for tests.
#[derive(Debug)]
pub struct MariaDbServer {
    url: Url,
    script: Option<Script>,
}

impl MariaDbServer {
    /// Starts a server of its own with these options beside the usual ones, which goes when this is dropped.
    ///
    /// # Panics
    ///
    /// Where MariaDB is not installed, or does not start, and where an option has a character that a shell would take for more than
    /// itself.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let settings: Vec<String> = TEST_SETTINGS
            .iter()
            .chain(settings)
            .map(|(name, value)| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
                assert!(
                    name.chars().chain(value.chars()).all(plain),
                    "{name}={value} is not a plain option"
                );
                format!("--{name}={value}")
            })
            .collect();
        let program = |name| {
            program(name).unwrap_or_else(|| {
                panic!(
                    "MariaDB's server program {name} is not installed: run `.ci/test`, which installs it, or set {SERVER_URL}"
                )
            })
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "mariadb"])
            .arg(program("mariadbd"))
            .arg(program("mariadb-install-db"))
            .arg(env::temp_dir())
            .arg(settings.join(" "))
            .args(free_ports(PORTS).iter().map(u16::to_string));
        let (port, script) =
            Script::start(command).unwrap_or_else(|said| panic!("MariaDB did not start:\n{said}"));
        Self {
            url: Url::parse(&format!("mariadb://root@127.0.0.1:{port}/mysql")).unwrap(),
            script: Some(script),
        }
    }

    /// Kills the server with SIGKILL, as a crash would.
    ///
    /// # Panics
    ///
    /// When it does not stop, or is not this process's own.
    pub fn crash(&self) {
        self.order("crash");
    }

    /// Stops the server in order.
    ///
    /// # Panics
    ///
    /// When it does not stop, or is not this process's own.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Starts the server again, on its port, with its options.
    ///
    /// # Panics
    ///
    /// When it does not start, or is not this process's own.
    pub fn start_again(&self) {
        self.order("start");
    }

    /// Freezes the server, until [`Self::thaw`].
    ///
    /// # Panics
    ///
    /// When it is not this process's own.
    pub fn freeze(&self) {
        self.order("freeze");
    }

    /// Lets a frozen server go on.
    ///
    /// # Panics
    ///
    /// When it is not this process's own.
    pub fn thaw(&self) {
        self.order("thaw");
    }

    fn order(&self, order: &str) {
        self.script.as_ref().expect("a private server").order(order);
    }

    /// The URL of a database that every server has.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The URL of the database `name` on this server.
    pub fn database_url(&self, name: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(name);
        url.into()
    }
}

/// The server of this process, started when it is first asked for.
///
/// # Panics
///
/// Where MariaDB is not installed, or does not start.
pub async fn server() -> &'static MariaDbServer {
    static SERVER: OnceLock<MariaDbServer> = OnceLock::new();
    let started = tokio::task::spawn_blocking(|| SERVER.get_or_init(obtain)).await;
    started.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn obtain() -> MariaDbServer {
    match env::var(SERVER_URL) {
        Ok(url) => MariaDbServer {
            url: Url::parse(&url).unwrap_or_else(|error| panic!("{SERVER_URL}: {error}")),
            script: None,
        },
        Err(_) => MariaDbServer::start(&[]),
    }
}

/// A program of the server's package, which is not in every user's PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
