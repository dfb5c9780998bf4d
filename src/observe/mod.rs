//! What the server tells about itself: logs and metrics in `telemetry`, spans to a collector in `traces`.

pub mod telemetry;
pub mod traces;
