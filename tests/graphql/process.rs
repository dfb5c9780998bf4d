//! The real server as a process, to be killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A server that has announced its address. It is killed when it is dropped.
pub(super) struct Process {
    child: Child,
    /// Host and port.
    pub(super) address: String,
}

impl Process {
    pub(super) fn start(database: &str) -> Self {
        Self::start_with(database, &[])
    }

    /// With more flags.
    pub(super) fn start_with(database: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DAYBOOK_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--no-playground",
                "--database",
                database,
            ])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"))
            .unwrap_or_else(|| panic!("{line:?} names no address"))
            .to_owned();
        Self { child, address }
    }

    /// Kills it at once, whatever it is doing.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
