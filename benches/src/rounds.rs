//! The rounds: everybody in turn, again and again, so that what the machine does meanwhile falls on all alike.

use std::{fs::File, time::Duration};

use anyhow::Result;

use crate::{
    arguments::Arguments,
    http::Tally,
    process,
    report::{Figures, Sample},
};

/// Who does the work.
pub struct Subject<'a> {
    /// What to call it.
    pub name: &'a str,
    /// The process that serves, where there is one.
    pub server: Option<u32>,
    /// How to load it on so many connections, for so long, for the how-many-eth time.
    pub load: Box<dyn Fn(usize, Duration, u64) -> Result<Tally> + Send + Sync + 'a>,
}

/// What came of all rounds of a workload.
pub struct Outcome {
    /// One for each subject.
    pub figures: Vec<Figures>,
    /// How many operations each has answered, the warming-up included.
    pub answered: Vec<u64>,
}

/// Measures the subjects; the first one is what the others are compared with.
///
/// # Errors
/// When one of them fails.
pub fn measure(
    workload: &str,
    subjects: &[Subject<'_>],
    connections: usize,
    postmaster: Option<u32>,
    runs: &mut u64,
    arguments: &Arguments,
) -> Result<Outcome> {
    let lock = arguments.lock.as_ref().map(File::create).transpose()?;
    if let Some(lock) = &lock {
        lock.lock()?;
    }
    let mut samples: Vec<Vec<Sample>> = subjects.iter().map(|_| Vec::new()).collect();
    let mut answered = vec![0; subjects.len()];
    for round in 0..=arguments.rounds {
        for ((subject, samples), answered) in subjects.iter().zip(&mut samples).zip(&mut answered) {
            *runs += 1;
            // The first round only warms up.
            let duration = match round {
                0 => Duration::from_secs(1),
                _ => arguments.round(),
            };
            let (count, sample) = once(subject, connections, duration, *runs, postmaster)?;
            *answered += count;
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    drop(lock);
    let reference = samples[0].as_slice();
    let figures = subjects.iter().zip(&samples).enumerate();
    let figures = figures.map(|(number, (subject, own))| {
        let reference = (number > 0).then_some(reference);
        Figures::new(workload, connections, subject.name, own, reference)
    });
    Ok(Outcome {
        figures: figures.collect::<Result<_>>()?,
        answered,
    })
}

fn once(
    subject: &Subject<'_>,
    connections: usize,
    duration: Duration,
    run: u64,
    postmaster: Option<u32>,
) -> Result<(u64, Sample)> {
    let used = || -> Result<[Duration; 3]> {
        let of = |id: Option<u32>, time: fn(u32) -> Result<Duration>| {
            id.map_or(Ok(Duration::ZERO), time)
        };
        Ok([
            of(subject.server, process::processor_time)?,
            of(postmaster, process::processor_time_of_family)?,
            process::processor_time(std::process::id())?,
        ])
    };
    let before = used()?;
    let tally = (subject.load)(connections, duration, run)?;
    let memory = subject.server.map_or(Ok(0), process::resident_memory)?;
    let after = used()?;
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    let answered = tally.answered as f64;
    let each = |which: usize| {
        let used: Duration = after[which].saturating_sub(before[which]);
        used.as_secs_f64() * 1e6 / answered
    };
    let sample = Sample {
        rate: answered / tally.elapsed.as_secs_f64(),
        p50: percentile(&tally.latencies, 50),
        p99: percentile(&tally.latencies, 99),
        server: each(0),
        database: each(1),
        client: each(2),
        memory,
    };
    Ok((tally.answered, sample))
}

/// In microseconds.
fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    sorted
        .get(at)
        .map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1000.0)
}
