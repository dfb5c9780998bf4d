//! What a unit tells about itself: spans, metrics, and the timeline of its steps.

pub(crate) mod telemetry;
pub(crate) mod timeline;
