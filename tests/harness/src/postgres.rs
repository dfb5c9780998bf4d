//! The private PostgreSQL server of this test process.
//!
//! It is started on first use, listens on a free port of the loopback address, and keeps its data in a temporary
//! folder. A small shell script (`postgres.sh`) runs it and watches a pipe that this process holds: however the process
//! ends, a SIGKILL included, the pipe closes, and the script stops the server and removes the folder.
//!
//! With `DAYBOOK_TEST_POSTGRES_URL` set, the tests use that server instead; its user must be allowed to create
//! databases.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use url::Url;

use crate::script::{PORTS, Script, free_ports};

/// The environment variable that names a server to use instead of a private one.
pub const SERVER_URL: &str = "DAYBOOK_TEST_POSTGRES_URL";

const SCRIPT: &str = include_str!("postgres.sh");

/// What tests want of a server: speed, and deadlocks found at once. What it stores need not survive a power cut.
const TEST_SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "200"),
    ("deadlock_timeout", "100ms"),
];

/// A PostgreSQL server for tests.
#[derive(Debug)]
pub struct PostgresServer {
    url: Url,
    script: Option<Script>,
}

/// A disk of a server that was started by [`PostgresServer::start_on_small_disks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallDisk {
    /// Where tables and indexes are.
    Data,
    /// Where the write-ahead log is (`pg_wal`).
    Log,
}

impl SmallDisk {
    fn folder(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Log => "log",
        }
    }
}

impl PostgresServer {
    /// Starts a server of its own with these settings, which goes when this is dropped.
    ///
    /// # Panics
    ///
    /// Where PostgreSQL is not installed, or does not start, and where a setting has a character that a shell would take
    /// for more than itself.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        start(settings, None, false)
    }

    /// The same, with its data on one small disk in memory and its log on another, both of which can be filled. `None` where this
    /// process may not mount any.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_on_small_disks(settings: &[(&str, &str)]) -> Option<Self> {
        let may_mount = Command::new("unshare")
            .args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .stderr(Stdio::null())
            .status();
        may_mount
            .is_ok_and(|status| status.success())
            .then(|| start(settings, None, true))
    }

    /// Leaves no room on a small disk.
    ///
    /// # Panics
    ///
    /// Where the server is not on small disks.
    pub fn fill(&self, disk: SmallDisk) {
        self.order(&format!("fill {}", disk.folder()));
    }

    /// Makes room again on a small disk.
    ///
    /// # Panics
    ///
    /// Where there was room.
    pub fn free(&self, disk: SmallDisk) {
        self.order(&format!("free {}", disk.folder()));
    }

    /// Starts a standby of this server, with these settings. It follows until [`Self::promote`].
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_standby(&self, settings: &[(&str, &str)]) -> Self {
        start(settings, self.url.port(), false)
    }

    /// Makes a primary of a standby.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn promote(&self) {
        self.order("promote -");
    }

    /// Stops the server as a crash would: nothing that it has not written yet is written.
    ///
    /// # Panics
    ///
    /// When it does not stop, or is not this process's own.
    pub fn crash(&self) {
        self.order("stop immediate");
    }

    /// Stops the server in order: its standbys that are connected get all that it has written, and then it ends.
    ///
    /// # Panics
    ///
    /// When it does not stop, or is not this process's own.
    pub fn stop(&self) {
        self.order("stop fast");
    }

    /// Starts the server again, on its port, with its settings.
    ///
    /// # Panics
    ///
    /// When it does not start, or is not this process's own.
    pub fn start_again(&self) {
        self.order("start");
    }

    /// Starts the server again as a standby that has lost its primary: it can be read, and takes writes only after
    /// `SELECT pg_promote()`.
    ///
    /// # Panics
    ///
    /// When it does not become one, or is not this process's own.
    pub fn become_standby(&self) {
        self.stop();
        self.start_as_standby();
    }

    /// Starts a server that was stopped again, as a standby. It follows whom its setting `primary_conninfo` names, if it has one.
    ///
    /// # Panics
    ///
    /// When it does not become one, or is not this process's own.
    pub fn start_as_standby(&self) {
        self.order("standby");
        self.order("start");
    }

    /// Kills one of the server's processes without a chance to say anything.
    ///
    /// # Panics
    ///
    /// When there is no such process, or the server is not this process's own.
    pub fn kill(&self, pid: i64) {
        self.order(&format!("kill {pid}"));
    }

    /// Freezes one of the server's processes, until [`Self::thaw`].
    ///
    /// # Panics
    ///
    /// When there is no such process, or the server is not this process's own.
    pub fn freeze(&self, pid: i64) {
        self.order(&format!("freeze {pid}"));
    }

    /// Lets a frozen process go on.
    ///
    /// # Panics
    ///
    /// When there is no such process, or the server is not this process's own.
    pub fn thaw(&self, pid: i64) {
        self.order(&format!("thaw {pid}"));
    }

    fn order(&self, order: &str) {
        self.script.as_ref().expect("a private server").order(order);
    }

    /// The URL of the server's maintenance database.
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
/// Where PostgreSQL is not installed, or does not start.
pub async fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    let started = tokio::task::spawn_blocking(|| SERVER.get_or_init(obtain)).await;
    started.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn obtain() -> PostgresServer {
    match env::var(SERVER_URL) {
        Ok(url) => PostgresServer {
            url: Url::parse(&url).unwrap_or_else(|error| panic!("{SERVER_URL}: {error}")),
            script: None,
        },
        Err(_) => start(TEST_SETTINGS, None, false),
    }
}

fn start(settings: &[(&str, &str)], primary: Option<u16>, on_small_disks: bool) -> PostgresServer {
    let settings: Vec<String> = settings
        .iter()
        .map(|(name, value)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            assert!(
                name.chars().chain(value.chars()).all(plain),
                "{name}={value} is not a plain setting"
            );
            format!("-c {name}={value}")
        })
        .collect();
    let programs = programs().expect(
        "PostgreSQL's server programs (initdb, pg_ctl, postgres) are not installed: run `.ci/test`, which installs \
         them, or set DAYBOOK_TEST_POSTGRES_URL",
    );
    let mut script = if on_small_disks {
        let mut script = Command::new("unshare");
        script.args(["--mount", "sh"]).env("SMALL_DISKS", "yes");
        script
    } else {
        Command::new("sh")
    };
    script
        .args(["-c", SCRIPT, "postgres"])
        .arg(&programs)
        .arg(env::temp_dir())
        .arg(settings.join(" "))
        .arg(primary.map_or_else(String::new, |port| port.to_string()))
        .args(free_ports(PORTS).iter().map(u16::to_string));
    let (port, script) = Script::start(script).unwrap_or_else(|said| {
        panic!(
            "PostgreSQL of {} did not start:\n{said}",
            programs.display()
        )
    });
    PostgresServer {
        url: Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres")).unwrap(),
        script: Some(script),
    }
}

/// The folder of the server programs: Debian's newest, which is not in PATH, else `pg_config`'s, else PATH's.
///
/// Debian's server package has `pgbench` there too.
pub fn programs() -> Option<PathBuf> {
    let mut candidates = debian_folders();
    candidates.extend(pg_config_folder());
    candidates.extend(
        env::var_os("PATH")
            .iter()
            .flat_map(|path| env::split_paths(path).collect::<Vec<_>>()),
    );
    candidates
        .into_iter()
        .find(|folder| has_server_programs(folder))
}

fn debian_folders() -> Vec<PathBuf> {
    let Ok(entries) = Path::new("/usr/lib/postgresql").read_dir() else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .collect()
}

fn pg_config_folder() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().into())
}

fn has_server_programs(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
}
