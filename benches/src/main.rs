//! What an operation of Daybook costs, beside what PostgreSQL can do and what a server without a unit of work does.
//!
//! `.ci/bench` builds and runs it. Everything is measured in one run, on one machine, in rounds that take turns, because
//! absolute figures drift with the machine while ratios hold.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod arguments;
mod capture;
mod data;
mod http;
mod machine;
mod pgbench;
mod process;
mod report;
mod stand;
mod workload;

use anyhow::Result;
use clap::Parser as _;

use crate::{
    arguments::Arguments,
    report::{Figures, Report},
    stand::Stand,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let earlier = arguments.compare.as_deref().map(Report::read).transpose()?;
    let mut report = Report {
        circumstances: machine::circumstances(&arguments)?,
        ..Report::default()
    };
    eprintln!(
        "loading {} accounts and {} lines",
        arguments.accounts, arguments.lines
    );
    let mut stand = Stand::build(&arguments).await?;
    report.circumstances.extend(stand.circumstances().await?);
    println!("{}", report::HEAD);
    for workload in arguments.workloads() {
        for connections in arguments.connections() {
            let measured = stand.measure(workload, connections, &arguments).await?;
            report
                .flights
                .insert(workload.name().to_owned(), measured.flights);
            for figures in measured.figures {
                let earlier = earlier.as_ref().and_then(|report| report.find(&figures));
                println!("{}", Figures::line(&figures, earlier));
                report.figures.push(figures);
            }
        }
    }
    stand.verify().await?;
    if let Some(file) = &arguments.out {
        report.write(file)?;
    }
    Ok(())
}
