//! The server under attack: a private one, with a database of its own.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::normal;

pub struct Server {
    pub address: String,
    child: Child,
    _folder: TempDir,
}

impl Server {
    pub async fn start(binary: &Path) -> Result<Self> {
        let binary = binary.canonicalize().context("the binary is not there")?;
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--log", "error"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        Ok(Self {
            address: address
                .context("it does not say where it listens")?
                .to_owned(),
            child,
            _folder: folder,
        })
    }

    /// Two accounts, and so many entries of a thousand lines between them.
    pub async fn load(&self, entries: usize) -> Result<()> {
        let open = r#"mutation {
            a: openAccount(input: { code: "a", name: "A", currency: "EUR", normalSide: DEBIT }) { account { id } }
            b: openAccount(input: { code: "b", name: "B", currency: "EUR", normalSide: CREDIT }) { account { id } }
        }"#;
        self.ask(&json!({ "query": open })).await?;
        for _ in 0..entries {
            self.ask(&entry(1000)).await?;
        }
        Ok(())
    }

    /// Asks for something that is not refused.
    pub async fn ask(&self, body: &Json) -> Result<Json> {
        let answer = normal::post(&self.address, &body.to_string()).await?;
        let answer: Json = serde_json::from_str(&answer)?;
        ensure!(answer.get("errors").is_none(), "{answer}");
        Ok(answer)
    }

    /// What it takes now, in MiB.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that it took since [`Server::forget_peak`].
    pub fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// The processor time that it has taken, in seconds.
    pub fn processor(&self) -> Result<f64> {
        /// Of Linux, on every machine that this runs on.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(self.file("stat")?)?;
        // The name of the program is in parentheses, and may have spaces.
        let rest = stat.rsplit(')').next().context("no statistics")?;
        let ticks = rest.split_whitespace().skip(11).take(2);
        let ticks: Result<Vec<u32>, _> = ticks.map(str::parse).collect();
        Ok(ticks?.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_SECOND)
    }

    pub fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(self.file("clear_refs")?, "5")?)
    }

    fn file(&self, name: &str) -> Result<String> {
        let id = self.child.id().context("it has ended")?;
        Ok(format!("/proc/{id}/{name}"))
    }

    fn status(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(self.file("status")?)?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("no such line")?.parse::<u64>()? / 1024)
    }
}

/// A request that posts an entry of so many lines.
pub fn entry(lines: usize) -> Json {
    let line = json!({ "debit": { "code": "a" }, "credit": { "code": "b" }, "amount": "1", "currency": "EUR" });
    json!({
        "query": "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }",
        "variables": { "input": { "lines": vec![line; lines] } },
    })
}
