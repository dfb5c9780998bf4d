//! Arguments of traces and the log.

use clap::Args;

/// Where traces are sent. The variables are OpenTelemetry's own; it reads more of them itself.
#[derive(Args)]
#[command(next_help_heading = "Traces")]
pub(in crate::config) struct TraceArgs {
    /// Send traces to this OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(in crate::config) otlp_endpoint: Option<String>,
    /// The whole URL of the collector's traces, if it is not /v1/traces
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(in crate::config) otlp_traces_endpoint: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Log")]
pub(in crate::config) struct LogArgs {
    /// What to log: a level, or per module, like info,unit_of_work=debug
    #[arg(
        long,
        env = "DAYBOOK_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(in crate::config) log: String,
    /// The form of a log line: text or json
    #[arg(
        long,
        env = "DAYBOOK_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(in crate::config) log_format: String,
}
