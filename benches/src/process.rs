//! The processes that are measured: started, asked of the kernel what they have used, and stopped.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// The kernel's unit of processor time, as `/proc` gives it: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A server that says `… http://ADDRESS …` when it is ready.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start until it listened.
    pub started_in: Duration,
}

impl Server {
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_with(program, arguments, Stdio::inherit())
    }

    /// Starts one whose standard error goes into a file.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_logging(program: &Path, arguments: &[&str], log: fs::File) -> Result<Self> {
        Self::start_with(program, arguments, log.into())
    }

    fn start_with(program: &Path, arguments: &[&str], log: Stdio) -> Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let started_in = begun.elapsed();
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split([' ', '/', '\n']).next())
            .with_context(|| format!("{} did not start", program.display()))?
            .parse()?;
        Ok(Self {
            child,
            address,
            started_in,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that a process has used, the children that it has waited for included.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(id: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))
        .with_context(|| format!("process {id} has ended"))?;
    // The name is in parentheses, and may contain anything.
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        bail!("/proc/{id}/stat is not understood");
    };
    let fields: Vec<&str> = fields.split(' ').collect();
    let mut ticks = 0;
    // utime, stime, cutime, cstime; the state is field 0 here.
    for field in &fields[11..15] {
        ticks += field.parse::<u32>()?;
    }
    Ok(TICK * ticks)
}

/// The processor time of a process and of its children.
///
/// # Errors
/// When there is no such process.
pub fn processor_time_of_family(parent: u32) -> Result<Duration> {
    let mut total = processor_time(parent)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if parent_of(id) == Some(parent) {
            // It may end meanwhile; then its time is the parent's.
            total += processor_time(id).unwrap_or_default();
        }
    }
    Ok(total)
}

/// The process that started another.
pub fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok()
}

/// The memory that a process has in use now, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_memory(id: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
