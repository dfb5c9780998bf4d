//! Processes: those that this program has started, and their children, and no others.

use std::{fs, os::fd::OwnedFd, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// A process that is signalled by a file descriptor: where it has ended, its id may be another's, and the descriptor is not.
#[derive(Debug)]
pub struct Process {
    descriptor: OwnedFd,
}

impl Process {
    /// The process `id`, which must be a child of `parent`.
    ///
    /// # Errors
    /// When there is no such process, or it is somebody else's.
    pub fn child(id: u32, parent: u32) -> Result<Self> {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process has a positive id")?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
        // Asked after it was opened: so it is that of the process that the descriptor names.
        let is = field(id, "PPid")?;
        ensure!(
            is == parent.to_string(),
            "process {id} is a child of {is}, not of {parent}"
        );
        Ok(Self { descriptor })
    }

    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        // The descriptor of a process can be read when it has ended.
        let mut ended = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let now = Timespec::default();
        poll(&mut ended, Some(&now)).is_ok_and(|count| count > 0)
    }

    fn signal(&self, signal: Signal) {
        // It may have ended meanwhile.
        let _ = pidfd_send_signal(&self.descriptor, signal);
    }
}

/// The children of a process.
pub fn children_of(parent: u32) -> Result<Vec<u32>> {
    // Its threads are one for PostgreSQL's postmaster.
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let ids = children.split_whitespace().map(str::parse);
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What a process calls itself: `postgres: walwriter`.
pub fn title_of(id: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    Some(line.trim().to_owned())
}

fn field(id: u32, name: &str) -> Result<String> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))
        .with_context(|| format!("process {id} has ended"))?;
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(value.context("no such field")?.trim().to_owned())
}

/// A program that ends with this one, however this one ends.
///
/// A shell starts it, and waits until a pipe is closed that this process holds; then it kills the program. The kernel closes the
/// pipe when this process ends.
#[derive(Debug)]
pub struct Guarded {
    pub process: Process,
    shell: Child,
    pipe: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

/// The shell looks whether the program is still its child: it may have ended, and its id may be another's.
const GUARD: &str = r#"
log=$1; shift
trap '' INT TERM HUP
sh -c 'echo "$$"; exec "$@"' sh "$@" </dev/null 2>>"$log" &
program=$!
exec >/dev/null 2>&1
cat
grep -q "^PPid:[[:space:]]*$$\$" "/proc/$program/status" && kill -9 "$program"
wait
"#;

impl Guarded {
    /// Starts a program whose standard error goes into a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("DAYBOOK_") || name_text.starts_with("OTEL_") {
                command.env_remove(&name);
            }
        }
        let mut shell = command
            .args(["-c", GUARD, "guard"])
            .arg(log)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for this program, which then closes the pipe.
            .process_group(0)
            .spawn()
            .context("no `sh`")?;
        let pipe = shell.stdin.take();
        let output = shell.stdout.take().context("no standard output")?;
        let mut output = BufReader::new(output).lines();
        let Some(id) = output.next_line().await? else {
            bail!("{} cannot be started", program.display());
        };
        let parent = shell.id().context("the shell has ended")?;
        Ok(Self {
            process: Process::child(id.parse()?, parent)?,
            shell,
            pipe,
            output,
        })
    }

    /// The next line that the program says, `None` where it has ended.
    pub async fn line(&mut self, within: Duration) -> Result<Option<String>> {
        Ok(timeout(within, self.output.next_line()).await??)
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(mut self) {
        self.process.kill();
        self.pipe = None;
        let _ = self.shell.wait().await;
    }
}

/// Removes a folder when this program ends, however it ends: a shell waits for that, as for a guarded program.
#[derive(Debug)]
pub struct Removal(Child);

impl Removal {
    /// # Errors
    /// When there is no shell.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "trap '' INT TERM HUP; cat; rm -rf -- \"$1\"",
                "removal",
            ])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0);
        Ok(Self(command.spawn().context("no `sh`")?))
    }

    /// Removes it now.
    pub async fn now(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait().await;
    }
}
