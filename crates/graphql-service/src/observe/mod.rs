//! What the server tells about itself.
//!
//! `trace.rs` makes a span, an id and a log line for each request, and `trace_context.rs` joins it to the client's trace. `metrics.rs` is
//! `/metrics`, `health.rs` is `/healthz` and `/readyz`.
//!
//! Nothing here changes what a request is answered. Counters stand where the counted event happens.

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod trace;
pub(crate) mod trace_context;
