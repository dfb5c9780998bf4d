//! What the figures were measured on.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::Result;

use crate::{arguments::Arguments, pgbench};

/// The machine, the versions, the settings of the run.
///
/// # Errors
/// When `pgbench` is missing.
pub fn circumstances(arguments: &Arguments) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut note = |name: &str, value: String| all.insert(name.to_owned(), value);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    note("cores", cores.to_string());
    note("processor", field("/proc/cpuinfo", "model name"));
    note("memory", field("/proc/meminfo", "MemTotal"));
    note("kernel", line_of(Command::new("uname").arg("-sr")));
    note(
        "pgbench",
        line_of(Command::new(pgbench::program()?).arg("--version")),
    );
    note(
        "commit",
        line_of(Command::new("git").args(["describe", "--always", "--dirty"])),
    );
    note(
        "date",
        line_of(Command::new("date").args(["--utc", "+%Y-%m-%d"])),
    );
    note("accounts", arguments.accounts.to_string());
    note("lines", arguments.lines.to_string());
    note("rounds", arguments.rounds.to_string());
    note("seconds", arguments.seconds.to_string());
    Ok(all)
}

/// The value of the first line of a file that begins with `name`, in the manner of `/proc`.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or(String::new(), |(_, value)| value.trim().to_owned())
}

/// What a command says, or nothing: these are notes, and no reason to fail.
fn line_of(command: &mut Command) -> String {
    let output = command
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
