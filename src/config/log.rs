//! Settings of the log.

use super::{args::LogArgs, value, wrong::Reader};

/// Settings of the log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A filter of tracing-subscriber's `EnvFilter`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for machines.
    Json,
}

pub(super) fn log_settings(args: &LogArgs, values: &mut Reader<'_>) -> Option<LogSettings> {
    let filter = values.read("log", &args.log, value::log_filter);
    let format = values.read("log_format", &args.log_format, log_format);
    Some(LogSettings {
        filter: filter?,
        format: format?,
    })
}

/// The form of a log line.
fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json".to_owned()),
    }
}
