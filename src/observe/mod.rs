//! Observability: `telemetry` has logs and metrics, `traces` sends spans to a collector.

pub mod telemetry;
pub mod traces;
