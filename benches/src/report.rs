//! What came of it: medians over the rounds, ratios, and the file they are kept in.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::replicas::Reads;

/// One round of one subject.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Operations a second.
    pub rate: f64,
    /// Microseconds.
    pub p50: f64,
    /// Microseconds.
    pub p99: f64,
    /// Microseconds of processor time an operation: the server's (none for `pgbench`).
    pub server: f64,
    /// Microseconds of processor time an operation: the database server's.
    pub database: f64,
    /// Microseconds of processor time an operation: the load's, or `pgbench`'s.
    pub client: f64,
    /// Bytes that the server had in memory.
    pub memory: u64,
}

/// What a subject did with a workload: medians over the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// The workload.
    pub workload: String,
    /// How many connections it was loaded on.
    pub connections: usize,
    /// Who did it.
    pub subject: String,
    /// Operations a second.
    pub rate: f64,
    /// Operations a second of each round.
    pub rates: Vec<f64>,
    /// Microseconds.
    pub p50: f64,
    /// Microseconds.
    pub p99: f64,
    /// Microseconds of processor time an operation.
    pub server_cpu: f64,
    /// Microseconds of processor time an operation.
    pub database_cpu: f64,
    /// Microseconds of processor time an operation.
    pub client_cpu: f64,
    /// Megabytes (millions of bytes), the most of all rounds.
    pub memory: f64,
    /// Against the workload's reference, the median of the rounds' ratios; `None` for the reference itself.
    pub ratio: Option<f64>,
}

impl Figures {
    /// # Errors
    /// Without a sample.
    pub fn new(
        workload: &str,
        connections: usize,
        subject: &str,
        samples: &[Sample],
        reference: Option<&[Sample]>,
    ) -> Result<Self> {
        let median = |of: fn(&Sample) -> f64| median(samples.iter().map(of).collect());
        let ratio = reference.map(|reference| {
            let pairs = samples.iter().zip(reference);
            self::median(pairs.map(|(one, other)| one.rate / other.rate).collect())
        });
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let memory = samples
            .iter()
            .map(|sample| sample.memory as f64)
            .fold(0.0, f64::max)
            / 1e6;
        Ok(Self {
            workload: workload.to_owned(),
            connections,
            subject: subject.to_owned(),
            rate: median(|sample| sample.rate)?,
            rates: samples.iter().map(|sample| sample.rate.round()).collect(),
            p50: median(|sample| sample.p50)?,
            p99: median(|sample| sample.p99)?,
            server_cpu: median(|sample| sample.server)?,
            database_cpu: median(|sample| sample.database)?,
            client_cpu: median(|sample| sample.client)?,
            memory,
            ratio: ratio.transpose()?,
        })
    }

    /// One line of the table.
    pub fn line(&self, earlier: Option<&Self>) -> String {
        let Self {
            workload,
            connections,
            subject,
            rate,
            p50,
            p99,
            server_cpu,
            database_cpu,
            client_cpu,
            memory,
            ..
        } = self;
        let ratio = self
            .ratio
            .map_or("1".to_owned(), |ratio| format!("{ratio:.2}"));
        let memory = if *memory > 0.0 {
            format!("{memory:.1}")
        } else {
            String::new()
        };
        let was = earlier
            .and_then(|earlier| earlier.ratio)
            .map_or(String::new(), |ratio| format!("  was {ratio:.2}"));
        format!(
            "{workload:3} {connections:4}  {subject:26} {rate:8.0} {ratio:>5}  {p50:8.0} {p99:8.0}  \
             {server_cpu:7.1} {database_cpu:8.1} {client_cpu:7.1} {memory:>7}{was}"
        )
    }
}

/// The head of the table.
pub const HEAD: &str = "what conn  who                            ops/s ratio    p50 µs   p99 µs   server database  client  RSS MB
                                                                              (processor µs/operation)";

/// The middle one, or the mean of the two in the middle.
///
/// # Errors
/// When there is none.
pub fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle).context("nothing was measured")?;
    Ok(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}

/// Everything of one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What it ran on and what was run, by name.
    pub circumstances: BTreeMap<String, String>,
    /// What the server sends for each workload, flight by flight.
    pub flights: BTreeMap<String, Vec<String>>,
    /// The figures.
    pub figures: Vec<Figures>,
    /// Where queries were read, by workload and subject, on a database with replicas.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, Reads>,
}

impl Report {
    /// # Errors
    /// When the file cannot be read or is no report.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(file, text + "\n").with_context(|| file.display().to_string())
    }

    /// The figures of the same thing.
    pub fn find(&self, like: &Figures) -> Option<&Figures> {
        self.figures.iter().find(|figures| {
            figures.workload == like.workload
                && figures.connections == like.connections
                && figures.subject == like.subject
        })
    }
}
