//! The results in words, for those who see them for the first time: a line for each kind of operation.

use std::fmt::Write as _;

use crate::{
    report::{Figures, Report},
    workload::Workload,
};

/// What a column of ratios says where nobody was measured to compare with.
const NOBODY: &str = "-";

/// The table: how many operations a second, how long one took, and what that is beside the database alone and beside a server
/// without units of work.
pub fn table(report: &Report) -> String {
    let mut table = format!(
        "{:62} {:>9} {:>9} {:>9} {:>10} {:>8}\n",
        "", "a second", "half in", "99 % in", "of the", "of a"
    );
    let _ = writeln!(
        table,
        "{:62} {:>9} {:>9} {:>9} {:>10} {:>8}",
        "", "", "(ms)", "(ms)", "database", "server"
    );
    for daybook in named(report, "daybook") {
        let _ = writeln!(
            table,
            "{:62} {:>9.0} {:>9.2} {:>9.2} {:>10} {:>8}",
            what(&daybook.workload),
            daybook.rate,
            daybook.p50 / 1000.0,
            daybook.p99 / 1000.0,
            share(daybook, database_alone(report, daybook)),
            share(daybook, other_server(report, daybook)),
        );
    }
    table.push_str(
        "\nof the database: the rate beside the same statements without a server, sent by pgbench, by MariaDB's C library, or by SQLite's on one \
         connection; of two fields in either order, the rate beside one order.\nof a server: the rate beside async-graphql with SeaORM; its queries have no transaction, its mutations one.\n",
    );
    table
}

/// The figures of one subject, in the order in which they were measured.
fn named<'a>(report: &'a Report, subject: &'a str) -> impl Iterator<Item = &'a Figures> {
    report
        .figures
        .iter()
        .filter(move |figures| figures.subject == subject)
}

/// What somebody else did with the same workload.
fn beside<'a>(report: &'a Report, daybook: &Figures, subject: &'a str) -> Option<&'a Figures> {
    named(report, subject).find(|figures| {
        figures.workload == daybook.workload && figures.connections == daybook.connections
    })
}

fn database_alone<'a>(report: &'a Report, daybook: &Figures) -> Option<&'a Figures> {
    [
        "pgbench, same statements",
        "C library",
        "daybook, in one order",
    ]
    .into_iter()
    .find_map(|subject| beside(report, daybook, subject))
}

fn other_server<'a>(report: &'a Report, daybook: &Figures) -> Option<&'a Figures> {
    ["bare", "bare, no transaction", "bare, SeaORM transaction"]
        .into_iter()
        .find_map(|subject| beside(report, daybook, subject))
}

fn share(daybook: &Figures, other: Option<&Figures>) -> String {
    other.map_or(NOBODY.to_owned(), |other| {
        format!("{:.2}", daybook.rate / other.rate)
    })
}

/// A workload by its name in the report, which has the engine in it.
fn what(name: &str) -> String {
    let workload = Workload::ALL
        .into_iter()
        .find(|workload| name.starts_with(workload.name()));
    let engine = if name.ends_with("SQLite") {
        "SQLite"
    } else if name.ends_with("MariaDB") {
        "MariaDB"
    } else {
        "PostgreSQL"
    };
    format!("{engine}: {}", workload.map_or("", Workload::what))
}
