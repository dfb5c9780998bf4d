//! `pgbench`, PostgreSQL's own benchmark, with the server's own statements.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use daybook_test_harness::{WireProxy, postgres};
use tempfile::TempDir;

use crate::{
    capture,
    data::Size,
    http::Tally,
    workload::{self, Step, Workload},
};

/// One transaction in ten leaves its latency in a log, so that the log costs next to nothing.
const SAMPLING: f64 = 0.1;

/// A script for `pgbench`, and how its sessions are set.
#[derive(Debug)]
pub struct Script {
    text: String,
    /// What one run of it sends, each parameter a `?`.
    sends: Vec<String>,
    read_only: bool,
}

impl Script {
    /// The script that sends these flights.
    ///
    /// # Errors
    /// When a statement's parameters are not those of [`Workload::steps_on_postgres`].
    pub fn of_flights(workload: Workload, size: Size, flights: &[String]) -> Result<Self> {
        let (text, sends) = parts(workload, flights)?;
        Ok(Self {
            text: format!("{}{text}", workload.prelude(size)),
            sends,
            read_only: workload.reads(),
        })
    }

    /// A script that sends this one statement.
    pub fn of_statement(workload: Workload, size: Size, statement: &str) -> Self {
        Self {
            text: format!("{}{statement};\n", workload.prelude(size)),
            sends: vec![anonymous(statement, ':')],
            read_only: false,
        }
    }

    /// Whether it sends the same as another.
    pub fn sends_as(&self, other: &Self) -> bool {
        self.sends == other.sends
    }

    /// Runs it in sight of a proxy, compares what arrives with what the server sent, and answers how often it ran.
    ///
    /// # Errors
    /// When it is not the same.
    pub async fn check(&self, proxy: &WireProxy, size: Size, run: u64) -> Result<u64> {
        const TIMES: u64 = 20;
        let url = proxy.url().to_owned();
        let flights = capture::flights(proxy, false, async || {
            let mut command = self.command(&url, size, run)?;
            command
                .0
                .args(["--client=1", &format!("--transactions={TIMES}")]);
            tokio::task::spawn_blocking(move || finish(&mut command.0)).await??;
            Ok(())
        })
        .await?;
        let sent: Vec<String> = capture::statements(&flights)
            .iter()
            .map(|flight| anonymous(flight.trim_end_matches(';'), '$').replace(";; ", "; "))
            .collect();
        let (mut rest, mut times) = (sent.as_slice(), 0);
        while let Some(after) = rest.strip_prefix(self.sends.as_slice()) {
            rest = after;
            times += 1;
        }
        ensure!(
            rest.is_empty() && times == TIMES,
            "pgbench does not send what the server sends:\n{rest:#?}\ninstead of\n{:#?}",
            self.sends
        );
        Ok(times)
    }

    /// Loads the server with it.
    ///
    /// # Errors
    /// When `pgbench` fails, or any of its transactions does.
    pub fn load(
        &self,
        url: &str,
        size: Size,
        run: u64,
        clients: usize,
        duration: Duration,
        rate: Option<f64>,
    ) -> Result<Tally> {
        let (mut command, folder) = self.command(url, size, run)?;
        let seconds = duration.as_secs().max(1);
        command
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(2)))
            .arg(format!("--time={seconds}"))
            .arg(format!(
                "--log-prefix={}",
                folder.path().join("latency").display()
            ))
            .args(["--log", &format!("--sampling-rate={SAMPLING}")]);
        if let Some(rate) = rate {
            command.arg(format!("--rate={rate}"));
        }
        let output = finish(&mut command)?;
        let answered: u64 = number(&output, "number of transactions actually processed: ")?;
        let failed: u64 = number(&output, "number of failed transactions: ")?;
        ensure!(failed == 0, "{failed} transactions of pgbench failed");
        let rate: f64 = number(&output, "tps = ")?;
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let elapsed = Duration::from_secs_f64(answered as f64 / rate);
        let mut latencies = Vec::new();
        for entry in fs::read_dir(folder.path())?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("latency") {
                for line in fs::read_to_string(entry.path())?.lines() {
                    // client, transaction, microseconds, …
                    let time = line.split(' ').nth(2).context("pgbench's log")?;
                    latencies.push(time.parse::<u64>()? * 1000);
                }
            }
        }
        latencies.sort_unstable();
        Ok(Tally {
            answered,
            elapsed,
            latencies,
        })
    }

    fn command(&self, url: &str, size: Size, run: u64) -> Result<(Command, TempDir)> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("script.sql");
        fs::write(&file, &self.text)?;
        let mut command = Command::new(program()?);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--file"])
            .arg(&file);
        for (name, value) in workload::constants(size, run) {
            command.arg("--define").arg(format!("{name}={value}"));
        }
        if self.read_only {
            command.env(
                "PGOPTIONS",
                "-c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on",
            );
        }
        command.arg(url);
        Ok((command, folder))
    }
}

/// The `pgbench` beside the server's programs.
///
/// # Errors
/// When it is not there.
pub fn program() -> Result<PathBuf> {
    let program = postgres::programs()
        .context("PostgreSQL's server programs are not installed: run `.ci/bench`")?
        .join("pgbench");
    ensure!(
        Path::new(&program).is_file(),
        "there is no {}",
        program.display()
    );
    Ok(program)
}

fn finish(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("pgbench: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn number<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    output: &str,
    before: &str,
) -> Result<T> {
    let (_, rest) = output
        .split_once(before)
        .with_context(|| format!("pgbench does not say {before:?}:\n{output}"))?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    Ok(rest[..end].parse()?)
}

/// The part of a script that sends these flights (several statements in one are a pipeline), and what it sends.
fn parts(workload: Workload, flights: &[String]) -> Result<(String, Vec<String>)> {
    let mut steps = workload.steps_on_postgres();
    let (mut text, mut sends) = (String::new(), Vec::new());
    for flight in flights {
        let statements: Vec<&str> = flight.split("; ").collect();
        let pipelined = statements.len() > 1;
        if pipelined {
            text.push_str("\\startpipeline\n");
        }
        let mut filled = Vec::new();
        for statement in statements {
            let step = take_step(&mut steps, statement);
            let parameters = step.map(|step| step.parameters).unwrap_or_default();
            let statement = fill(statement, &parameters)?;
            text.push_str(&statement);
            text.push_str(";\n");
            filled.push(anonymous(&statement, ':'));
        }
        if pipelined {
            text.push_str("\\endpipeline\n");
        }
        sends.push(filled.join("; "));
    }
    if let Some(step) = steps.first() {
        bail!(
            "{}: the server sent nothing that begins with {}",
            workload.name(),
            step.begins
        );
    }
    Ok((text, sends))
}

fn take_step(steps: &mut Vec<Step>, statement: &str) -> Option<Step> {
    let at = steps
        .iter()
        .position(|step| statement.starts_with(step.begins))?;
    Some(steps.remove(at))
}

/// The statement with something for each of its parameters.
fn fill(statement: &str, parameters: &[String]) -> Result<String> {
    let mut filled = String::new();
    let mut rest = statement;
    let mut most = 0;
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let number: usize = after[..digits].parse().context(statement.to_owned())?;
        let parameter = parameters.get(number - 1).with_context(|| {
            format!("nothing is known for ${number} of what the server sends: {statement}")
        })?;
        most = most.max(number);
        filled.push_str(before);
        filled.push_str(parameter);
        rest = &after[digits..];
    }
    filled.push_str(rest);
    ensure!(
        most == parameters.len(),
        "{} parameters are known of a statement that has {most}: {statement}",
        parameters.len()
    );
    Ok(filled)
}

/// The statement with a `?` for each `:name` or `$1`; `::` is a cast.
fn anonymous(statement: &str, sign: char) -> String {
    let mut anonymous = String::new();
    let mut characters = statement.chars().peekable();
    while let Some(c) = characters.next() {
        let named = characters.peek().is_some_and(char::is_ascii_alphanumeric);
        if c == sign && named && !anonymous.ends_with(sign) {
            while characters
                .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
                .is_some()
            {}
            anonymous.push('?');
        } else {
            anonymous.push(c);
        }
    }
    anonymous
}
