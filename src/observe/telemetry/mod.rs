//! Log lines: for people or as JSON, always to standard error, so that standard output stays what a command answers. And
//! what is counted, for Prometheus.

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

/// In seconds: from what one statement takes to what a client waits for.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// How often what was measured is put into its buckets, also where nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to count, for the whole process; `None` where something counts already. Within a Tokio runtime.
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

/// Begins to log, and to hand spans over where they are sent. A second call in one process changes nothing.
pub fn init(settings: &LogSettings, traces: Option<&Traces>) {
    // Read once already, when the settings were checked.
    let filter = EnvFilter::new(&settings.filter);
    let registry = tracing_subscriber::registry();
    let outcome = match traces {
        // What is not logged is not there at all.
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

/// A panic is a log line like any other, in the span of the request that it ends.
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
