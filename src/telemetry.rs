//! Log lines: for people or as JSON, always to standard error, so that standard output stays what a command answers.

use std::{
    io::{self, IsTerminal},
    panic::PanicHookInfo,
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogFormat, LogSettings};

/// Begins to log. A second call in one process changes nothing.
pub fn init(settings: &LogSettings) {
    // Read once already, when the settings were checked.
    let filter = EnvFilter::new(&settings.filter);
    let registry = tracing_subscriber::registry().with(filter);
    let outcome = match settings.format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(io::stderr)
                    .with_ansi(io::stderr().is_terminal()),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .with_writer(io::stderr)
                    .json()
                    .flatten_event(true),
            )
            .try_init(),
    };
    if outcome.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
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
