//! The real binary: run to its end, or while it serves.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

use super::PATIENCE;

fn daybook(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command.current_dir(folder.path()).args(args);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("DAYBOOK_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = daybook(&folder, args);
    command.envs(variables.iter().copied()).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that has announced its address.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    log: mpsc::UnboundedReceiver<String>,
    pub(crate) announcement: String,
    _folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    pub(crate) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = daybook(&folder, args)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let _ = lines.send(line.unwrap());
            }
        });
        let mut announcement = String::new();
        stdout.read_line(&mut announcement).unwrap();
        Self {
            child,
            stdout,
            log,
            announcement,
            _folder: folder,
        }
    }

    pub(crate) fn base(&self) -> &str {
        self.announcement
            .split_whitespace()
            .find(|word| word.starts_with("http://") || word.starts_with("https://"))
            .unwrap_or_else(|| panic!("{:?} names no address", self.announcement))
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until the log has a line that contains this.
    pub(crate) async fn logged(&mut self, text: &str) {
        let line = async {
            while let Some(line) = self.log.recv().await {
                if line.contains(text) {
                    return true;
                }
            }
            false
        };
        let is_logged = timeout(PATIENCE, line).await;
        assert_eq!(is_logged, Ok(true), "it does not log {text:?}");
    }

    /// The exit code, and what was said on standard output after the announcement and on standard error.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        while let Some(line) = self.log.blocking_recv() {
            said.push_str(&line);
            said.push('\n');
        }
        (status.code(), said)
    }
}
