//! A history checker, as Jepsen is one: random operations against the real server, over HTTP and WebSockets, while a nemesis kills,
//! freezes, cuts and darkens; then a check of everything that clients were told against what the database has.
//!
//! Read `history` first: what a run writes down. `check` judges a history, and knows nothing of how it came about.
//! `client` makes operations and subscribes, `nemesis` makes faults, `stand` is what is tested, `run` brings them together.
//! `docs/consistency.md` says what is promised, and what this has found.

mod arguments;
mod check;
mod client;
mod history;
mod look;
mod nemesis;
mod report;
mod run;
mod stand;

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use arguments::Arguments;
use report::Report;

/// How long everything besides the run proper may take: starting, recovering, catching up, verifying.
const BESIDES: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> ExitCode {
    match work().await {
        Ok(code) => code,
        Err(error) => {
            // Without a backtrace, which would be that of a task.
            let _ = writeln!(io::stderr(), "daybook-histories: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn work() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    arguments.check()?;
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs())
    });
    let mut output = io::stdout();
    writeln!(
        output,
        "{:?}{}, seed {seed}, {} s, {} clients, {} servers, commit delay {} ms, {}",
        arguments.kind,
        arguments.modes(),
        arguments.seconds,
        arguments.clients,
        arguments.servers(),
        arguments.commit_delay,
        arguments.program()?.display(),
    )?;
    if let Some(folder) = &arguments.keep {
        fs::create_dir_all(folder)?;
    }
    // A signal drops the run, which ends everything that it has started.
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let limit = Duration::from_secs(arguments.seconds) + BESIDES;
    let history = tokio::select! {
        ran = timeout(limit, run::run(&arguments, seed)) => ran.context("the run does not end")??,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    if let Some(folder) = &arguments.keep {
        let file = fs::File::create(folder.join("history.json"))?;
        serde_json::to_writer(io::BufWriter::new(file), &history)?;
    }
    let report = Report::of(&history, &check::check(&history), arguments.tell);
    writeln!(output, "{report}")?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
