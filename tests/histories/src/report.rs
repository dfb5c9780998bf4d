//! What a run says.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use crate::{
    check::{Anomaly, Kind},
    history::{Action, Answer, History},
};

/// A history in figures.
#[derive(Debug, Default)]
pub struct Report {
    queries: BTreeMap<String, u64>,
    mutations: BTreeMap<String, u64>,
    dry_runs: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    entries: usize,
    events: usize,
    reconnects: u64,
    stream_errors: BTreeMap<String, u64>,
    listenings: usize,
    longest: Duration,
    switches: usize,
    read_at: BTreeMap<String, u64>,
    anomalies: BTreeMap<Kind, Vec<String>>,
    told: usize,
}

impl Report {
    pub fn of(history: &History, anomalies: &[Anomaly], told: usize) -> Self {
        let mut report = Self {
            entries: history.ledger.entries.len(),
            switches: history.switches.len(),
            read_at: history.read_at.clone(),
            told,
            ..Self::default()
        };
        for operation in &history.operations {
            let counts = match operation.action {
                Action::Query => &mut report.queries,
                Action::Mutation => &mut report.mutations,
                Action::DryRun => &mut report.dry_runs,
            };
            let answer = match &operation.answer {
                Answer::Acknowledged => "acknowledged".to_owned(),
                Answer::Refused(code) => format!("refused {code}"),
                Answer::Unknown(why) => format!("unknown {why}"),
            };
            *counts.entry(answer).or_default() += 1;
            for attempt in operation
                .attempts
                .iter()
                .filter(|attempt| attempt.is_answered)
            {
                let took = attempt.ended.saturating_sub(attempt.begun);
                report.longest = report.longest.max(took);
            }
        }
        for disturbance in &history.disturbances {
            *report.faults.entry(disturbance.fault.clone()).or_default() += 1;
        }
        for listening in history
            .subscribers
            .iter()
            .flat_map(|subscriber| &subscriber.listenings)
        {
            report.events += listening.events.len();
            report.reconnects += listening.reconnects;
            report.listenings += 1;
            for code in &listening.errors {
                *report.stream_errors.entry(code.clone()).or_default() += 1;
            }
        }
        for anomaly in anomalies {
            let of_kind = report.anomalies.entry(anomaly.kind).or_default();
            of_kind.push(anomaly.text.clone());
        }
        report
    }

    pub fn is_clean(&self) -> bool {
        self.anomalies.keys().all(|kind| kind.is_expected())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "mutations {}", counted(&self.mutations))?;
        writeln!(to, "dry runs  {}", counted(&self.dry_runs))?;
        writeln!(to, "queries   {}", counted(&self.queries))?;
        writeln!(to, "faults    {}", counted(&self.faults))?;
        let longest = self.longest.as_secs_f64();
        writeln!(
            to,
            "entries in the ledger {}, longest answer {longest:.1} s",
            self.entries
        )?;
        let (events, listenings, reconnects) = (self.events, self.listenings, self.reconnects);
        writeln!(
            to,
            "events heard {events}, by {listenings} listenings with {reconnects} reconnects"
        )?;
        writeln!(to, "errors on streams {}", counted(&self.stream_errors))?;
        if self.switches > 0 {
            writeln!(to, "a standby took over {} times", self.switches)?;
        }
        if !self.read_at.is_empty() {
            let read_at = counted(&self.read_at);
            writeln!(
                to,
                "queries that a standby could answer, by where they were read {read_at}"
            )?;
        }
        for (kind, texts) in &self.anomalies {
            let what = if kind.is_expected() {
                "to be expected"
            } else {
                "ANOMALY"
            };
            writeln!(to, "{what}: {kind}: {}", texts.len())?;
            for text in texts.iter().take(self.told) {
                writeln!(to, "    {text}")?;
            }
        }
        let anomalies = self
            .anomalies
            .iter()
            .filter(|(kind, _)| !kind.is_expected());
        let anomalies: usize = anomalies.map(|(_, texts)| texts.len()).sum();
        write!(to, "anomalies {anomalies}")
    }
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let total: u64 = counts.values().sum();
    let mut text = total.to_string();
    let mut before = ": ";
    for (what, count) in counts {
        let _ = write!(text, "{before}{what} {count}");
        before = ", ";
    }
    text
}
