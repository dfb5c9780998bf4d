//! Attacks a private server on loopback, and says what that costs it and its other clients.
//!
//! `attacks.rs` has the list of attacks, and those by connections; `expensive.rs` those by operations that cost much, `floods.rs` those by
//! many small things, `subscribers.rs` those by events. `server.rs` has the server under attack; `normal.rs` a client that means well and
//! measures how long it waits; `http2.rs` and `socket.rs` what an attacker speaks. Everything is bounded in number and time, and
//! ends with the program.
//!
//! Usage: `daybook-attacks BINARY [SECONDS] [NAME]`. It exits with 1 where the server took more than [`MOST`] of memory.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use self::{
    attacks::{ATTACKS, Attack},
    normal::Normal,
    server::Server,
};

mod attacks;
mod expensive;
mod floods;
mod http2;
mod normal;
mod server;
mod socket;
mod subscribers;

/// The most memory that a server may take under any attack, in MiB.
const MOST: u64 = 256;

/// How long a client is measured that nobody disturbs. In a short run its times mean little, and the memory is what counts.
fn rest(attack: Duration) -> Duration {
    if attack < Duration::from_secs(4) {
        Duration::from_millis(500)
    } else {
        Duration::from_secs(3)
    }
}

/// How long the server has to give back what it has allocated: seconds, of which a short run waits for one.
fn pause(attack: Duration) -> Duration {
    attack.clamp(Duration::from_secs(1), Duration::from_secs(4)) / 2
}

fn main() -> Result<()> {
    // Attackers have processors of their own in truth. Here they take what the server and the client who means well leave of these, and
    // the times that this client waits are the server's doing. The main thread starts both of them, and stays as it is.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(|| {
            // A worse measure, where it fails.
            let _ = rustix::process::nice(19);
        })
        .build()?;
    runtime.block_on(attack())
}

async fn attack() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let binary: PathBuf = args
        .next()
        .context("the first argument is the binary")?
        .into();
    let seconds: u64 = args.next().map_or(Ok(10), |text| text.parse())?;
    let only = args.next();
    let time = Duration::from_secs(seconds);

    println!(
        "| attack | MiB before | at most | after | p50 / p99 ms before | during | times | after | failed during | processor s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut worst = 0;
    for Attack { name, entries, run } in ATTACKS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let server = Server::start(&binary).await?;
        server.load(*entries).await?;
        let before = Normal::measure(&server, rest(time)).await?;
        let memory_before = server.memory()?;
        server.forget_peak()?;
        let processor = server.processor()?;
        let normal = Normal::start(&server)?;
        // An attack that the server ends has failed, and one that it does not take to begin with was none: either is told.
        if let Ok(Err(error)) = tokio::time::timeout(time, run(&server, time)).await {
            println!("{name}: {error:#}");
        }
        let during = normal.end().await;
        let peak = server.peak()?;
        let processor = server.processor()? - processor;
        sleep(pause(time)).await;
        let after = Normal::measure(&server, rest(time)).await?;
        let memory_after = server.memory()?;
        println!(
            "| {name} | {memory_before} | {peak} | {memory_after} | {before} | {during} | {:.1} | {after} | {} | {processor:.1} |",
            during.at(99) / before.at(99),
            during.failed
        );
        worst = worst.max(peak);
    }
    if worst > MOST {
        bail!("the server took {worst} MiB, and {MOST} are allowed");
    }
    Ok(())
}
