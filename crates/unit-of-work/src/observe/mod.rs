//! Observability of units: spans, metrics, and the timeline of their steps.

pub(crate) mod server;
pub(crate) mod telemetry;
pub(crate) mod timeline;
