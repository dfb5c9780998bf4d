//! `/metrics`, for Prometheus: what the unit of work counts, and what the transport does.

use std::sync::Arc;

use axum::{extract::State, http::header, response::IntoResponse};

use super::{admission::Slots, lifecycle::Lifecycle};

/// Writes all that is counted, in Prometheus's text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

#[derive(Clone)]
pub(super) struct MetricsState {
    pub(super) metrics: Metrics,
    pub(super) slots: Slots,
    pub(super) lifecycle: Lifecycle,
}

pub(super) async fn write(State(state): State<MetricsState>) -> impl IntoResponse {
    let gauge = |name: &'static str, value: usize| {
        // Beyond 2^32 of anything a gauge says that it is many.
        metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
    };
    gauge("graphql_operations_in_flight", state.slots.taken());
    gauge("graphql_sockets_open", state.lifecycle.sockets.len());
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, (state.metrics)())
}
