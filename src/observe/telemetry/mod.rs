//! The log and the metrics.
//!
//! Log lines are text or JSON. They go to standard error, so that standard output has only the results of commands. Metrics are in the
//! format of Prometheus.

use std::{
    io::{self, IsTerminal},
    panic::PanicHookInfo,
    sync::Arc,
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry::LookupSpan, util::SubscriberInitExt,
};

use self::fields::PlainFields;
use crate::{
    config::{LogFormat, LogSettings},
    http::Metrics,
    observe::traces::Traces,
};

mod fields;

/// The buckets of durations, in seconds: from that of one statement to the longest that a client waits.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// How often recorded durations are sorted into their buckets. Without it they pile up until somebody reads `/metrics`.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder of metrics for the whole process; `None` if there is one already. Must be called within a Tokio runtime.
#[must_use]
pub fn metrics() -> Option<Metrics> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .inspect_err(|error| tracing::warn!(%error, "there are no metrics"))
        .ok()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Some(Arc::new(move || handle.render()))
}

/// Installs the log, and the layer that sends traces. A second call in one process changes nothing.
pub fn init(settings: &LogSettings, traces: Option<&Traces>) {
    // The filter is valid: the settings were checked.
    let filter = EnvFilter::new(&settings.filter);
    let registry = tracing_subscriber::registry();
    let outcome = match traces {
        // Spans that are not logged are not created at all.
        None => registry
            .with(filter)
            .with(lines(settings.format))
            .try_init(),
        Some(traces) => registry
            .with(lines(settings.format).with_filter(filter))
            .with(traces.layer())
            .try_init(),
    };
    if outcome.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Text if io::stderr().is_terminal() => lines.boxed(),
        LogFormat::Text => lines.with_ansi(false).fmt_fields(PlainFields).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// Logs a panic as a line in the span of its request.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(
        location = location.as_deref().unwrap_or("unknown"),
        cause = panic
            .payload_as_str()
            .unwrap_or("a panic without a message"),
        "panicked"
    );
}
