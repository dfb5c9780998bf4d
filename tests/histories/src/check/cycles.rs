//! No cycles of what came before what: ww, wr, rw, and real time.
//!
//! A mutation locks its accounts before it reads or writes them, and holds the locks until COMMIT; a query reads one
//! snapshot. On one primary all of that is strictly serializable, so every cycle is an anomaly, and its kind says which
//! promise was broken.

use super::{
    Anomalies, Kind,
    graph::{Graph, Link, Links},
    lists::Lists,
    tokens,
};
use crate::history::{Action, Answer, History, Moment, Operation};

/// How many cycles of one knot are looked for: a server that lost writes ties thousands of operations into one.
const TRIES: usize = 300;

pub(super) fn check(history: &History, lists: &Lists<'_>, anomalies: &mut Anomalies) {
    let operations = history.operations.len();
    let mut graph = Graph::with_nodes(2 * operations);
    dependencies(history, lists, &mut graph);
    real_time(&history.operations, &mut graph);
    for knot in graph.knots() {
        let (kind, cycle) = smallest(&graph, &knot, operations);
        anomalies.add(kind, cycle);
    }
}

fn dependencies(history: &History, lists: &Lists<'_>, graph: &mut Graph) {
    for (_, places) in lists.accounts() {
        for pair in places.windows(2) {
            if let (Some(first), Some(second)) = (pair[0].owner, pair[1].owner) {
                graph.add(first, Link::WriteWrite, second);
            }
        }
    }
    for (number, operation) in history.operations.iter().enumerate() {
        if operation.action == Action::DryRun || operation.answer != Answer::Acknowledged {
            continue;
        }
        // What it saw may be lost, and other lines are in its place.
        if tokens::is_beyond_a_switch(history, operation) {
            continue;
        }
        let mut read = |account: &str, version: u64| {
            let owner = |version| lists.line(account, version).and_then(|line| line.owner);
            if let Some(writer) = owner(version) {
                graph.add(writer, Link::WriteRead, number);
            }
            if let Some(writer) = owner(version + 1) {
                graph.add(number, Link::ReadWrite, writer);
            }
        };
        // What a mutation read after its own entry is what it wrote.
        for seen in operation.reads.iter().filter(|read| read.after.is_none()) {
            read(&seen.account, seen.version);
        }
        for asked in &operation.entries {
            for (account, version) in &asked.expected {
                read(account, *version);
            }
        }
        for found in &operation.found {
            for entry in lists.tagged(&found.tag) {
                let Some(writer) = lists.owner(*entry) else {
                    continue;
                };
                match found.lines {
                    Some(_) => graph.add(writer, Link::WriteRead, number),
                    None => graph.add(number, Link::ReadWrite, writer),
                }
            }
        }
    }
}

/// Real time as a chain of moments: an operation comes before the moment of its end, and after the last such moment before
/// its beginning. Edges between all pairs would be as many as the square of the operations.
fn real_time(operations: &[Operation], graph: &mut Graph) {
    let ended = operations.iter().enumerate();
    let ended = ended.filter_map(|(number, operation)| Some((operation.succeeded()?, number)));
    let mut ended: Vec<(Moment, usize)> = ended.collect();
    ended.sort_unstable();
    let moment = |place: usize| operations.len() + place;
    for (place, (_, number)) in ended.iter().enumerate() {
        graph.add(*number, Link::RealTime, moment(place));
        if place > 0 {
            graph.add(moment(place - 1), Link::RealTime, moment(place));
        }
    }
    for (number, operation) in operations.iter().enumerate() {
        let begun = operation.begun();
        let earlier = ended.partition_point(|(moment, _)| *moment < begun);
        if earlier > 0 {
            graph.add(moment(earlier - 1), Link::RealTime, number);
        }
    }
}

/// The smallest cycle of the worst kind in a knot.
fn smallest(graph: &Graph, knot: &[usize], operations: usize) -> (Kind, String) {
    use Link::{ReadWrite, RealTime, WriteRead, WriteWrite};

    let classes: [(Kind, bool, &[Link]); 5] = [
        (Kind::DirtyWrite, false, &[WriteWrite]),
        (Kind::CircularInformation, false, &[WriteWrite, WriteRead]),
        (Kind::ReadSkew, true, &[WriteWrite, WriteRead]),
        (Kind::WriteSkew, false, &[WriteWrite, WriteRead, ReadWrite]),
        (
            Kind::RealTime,
            false,
            &[WriteWrite, WriteRead, ReadWrite, RealTime],
        ),
    ];
    let mut members: Vec<usize> = knot.to_vec();
    members.sort_unstable();
    members.retain(|node| *node < operations);
    for (kind, begins_with_read, links) in classes {
        let links = Links::of(links);
        let mut found: Option<(usize, Vec<(Link, usize)>)> = None;
        for member in members.iter().take(TRIES) {
            let cycles: Vec<_> = if begins_with_read {
                let edges = graph.edges(*member).iter();
                let reads = edges.filter(|(_, link)| *link == ReadWrite);
                reads
                    .filter_map(|(to, _)| {
                        let mut cycle = vec![(ReadWrite, *to)];
                        cycle.extend(graph.path(*to, *member, links)?);
                        Some(cycle)
                    })
                    .collect()
            } else {
                graph.path(*member, *member, links).into_iter().collect()
            };
            for cycle in cycles {
                if found
                    .as_ref()
                    .is_none_or(|(_, best)| cycle.len() < best.len())
                {
                    found = Some((*member, cycle));
                }
            }
        }
        if let Some((start, cycle)) = found {
            return (kind, describe(start, &cycle, operations, knot.len()));
        }
    }
    (
        Kind::RealTime,
        format!("a knot of {} operations", knot.len()),
    )
}

fn describe(start: usize, cycle: &[(Link, usize)], operations: usize, size: usize) -> String {
    let mut text = format!("operation {start}");
    let mut last = None;
    for (link, node) in cycle {
        // Of several steps in time one is told.
        if last != Some(Link::RealTime) || *link != Link::RealTime {
            text += &format!(" {}>", link.name());
        }
        if *node < operations {
            text += &format!(" {node}");
            last = None;
        } else {
            last = Some(*link);
        }
    }
    if size > cycle.len() {
        text += &format!(" (in a knot of {size})");
    }
    text
}
