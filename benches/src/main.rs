//! What an operation of Daybook costs, beside what the database can do and what a server without a unit of work does.
//!
//! `.ci/bench` builds and runs it. Everything is measured in one run, on one machine, in rounds that take turns, because
//! absolute figures drift with the machine while ratios hold.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what it is for"
)]

mod arguments;
mod capture;
mod chart;
mod data;
mod general_log;
mod http;
mod machine;
mod mariadb;
mod parameter;
mod pgbench;
mod process;
mod replicas;
mod report;
mod rounds;
mod sqlite;
mod stand;
mod summary;
mod workload;

use anyhow::Result;
use clap::Parser as _;

use crate::{
    arguments::Arguments,
    report::{HEAD, Report},
    rounds::Outcome,
    stand::{MariaDbStand, PostgresStand, SqliteStand},
    workload::Workload,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let (Some(results), Some(chart)) = (&arguments.draw, &arguments.chart) {
        return chart::draw(&Report::read(results)?, chart);
    }
    let earlier = arguments.compare.as_deref().map(Report::read).transpose()?;
    let mut report = Report {
        circumstances: machine::circumstances(&arguments)?,
        ..Report::default()
    };
    if arguments.replicas {
        replicas::measure(&arguments, &mut report).await?;
        return arguments
            .out
            .as_ref()
            .map_or(Ok(()), |file| report.write(file));
    }
    if arguments.postgres() {
        on_postgres(&arguments, &mut report, earlier.as_ref()).await?;
    }
    if arguments.sqlite() {
        on_sqlite(&arguments, &mut report, earlier.as_ref()).await?;
    }
    if arguments.mariadb() {
        on_mariadb(&arguments, &mut report, earlier.as_ref()).await?;
    }
    if arguments.quick {
        println!("\n{}", summary::table(&report));
    }
    if let Some(file) = &arguments.out {
        report.write(file)?;
    }
    if let Some(file) = &arguments.chart {
        chart::draw(&report, file)?;
    }
    Ok(())
}

async fn on_postgres(
    arguments: &Arguments,
    report: &mut Report,
    earlier: Option<&Report>,
) -> Result<()> {
    eprintln!("PostgreSQL: loading and verifying {arguments}");
    let mut stand = PostgresStand::build(arguments).await?;
    report.circumstances.extend(stand.circumstances().await?);
    println!("{HEAD}");
    for workload in arguments.workloads() {
        if workload == Workload::L1 {
            for connections in arguments.connections() {
                let measure = || stand.measure_orders(connections, arguments);
                take(tokio::task::block_in_place(measure)?, report, earlier);
            }
            continue;
        }
        let flights = stand.flights(workload).await?;
        let scripts = stand.scripts(workload, &flights).await?;
        report.flights.insert(workload.name().to_owned(), flights);
        for connections in arguments.connections() {
            let outcome = tokio::task::block_in_place(|| {
                stand.measure(workload, &scripts, connections, arguments)
            })?;
            take(outcome, report, earlier);
        }
    }
    stand.verify().await
}

async fn on_sqlite(
    arguments: &Arguments,
    report: &mut Report,
    earlier: Option<&Report>,
) -> Result<()> {
    eprintln!("SQLite: loading and verifying {arguments}");
    let mut stand = SqliteStand::build(arguments).await?;
    println!("{HEAD}");
    for workload in arguments.workloads() {
        // The first needs no database, and on SQLite there is one writer, so nothing is locked in another order.
        if matches!(workload, Workload::N0 | Workload::L1) {
            continue;
        }
        let statements = stand.statements(workload).await?;
        for connections in arguments.connections() {
            let outcome = tokio::task::block_in_place(|| {
                stand.measure(workload, &statements, connections, arguments)
            })?;
            take(outcome, report, earlier);
        }
    }
    stand.verify().await
}

async fn on_mariadb(
    arguments: &Arguments,
    report: &mut Report,
    earlier: Option<&Report>,
) -> Result<()> {
    eprintln!("MariaDB: loading and verifying {arguments}");
    let mut stand = MariaDbStand::build(arguments).await?;
    report.circumstances.extend(stand.circumstances().await?);
    println!("{HEAD}");
    for workload in arguments.workloads() {
        // The first needs no database, and the last is about the engine of another.
        if matches!(workload, Workload::N0 | Workload::L1) {
            continue;
        }
        let script = stand.script(workload).await?;
        report.flights.insert(
            format!("{} on MariaDB", workload.name()),
            script.sent().iter().map(ToString::to_string).collect(),
        );
        for connections in arguments.connections() {
            let outcome = tokio::task::block_in_place(|| {
                stand.measure(workload, &script, connections, arguments)
            })?;
            take(outcome, report, earlier);
        }
    }
    stand.verify().await
}

fn take(outcome: Outcome, report: &mut Report, earlier: Option<&Report>) {
    for figures in outcome.figures {
        let earlier = earlier.and_then(|report| report.find(&figures));
        println!("{}", figures.line(earlier));
        report.figures.push(figures);
    }
}
