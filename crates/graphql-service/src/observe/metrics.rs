//! `/metrics`, for Prometheus: the application's metrics, and gauges of slots, sockets and connections.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use crate::{
    admission::{
        access::{Authentication, Caller},
        slots::{Class, Slots},
    },
    answer::media::MediaType,
    connection::Table,
    lifecycle::Lifecycle,
};

/// Writes all metrics in Prometheus's text format (version 0.0.4). The application's recorder for the crate `metrics` does this.
///
/// ```
/// use std::sync::Arc;
/// use graphql_service::{Anyone, Metrics, Options};
///
/// // With the crate metrics-exporter-prometheus: `move || handle.render()`.
/// let metrics: Metrics = Arc::new(|| "requests_total 1\n".to_owned());
/// let schema = graphql_operation::Schema::parse("type Query { one: Int! }")?;
/// let options = Options::new(schema, Anyone).metrics(metrics);
/// # Ok::<(), graphql_operation::SchemaError>(())
/// ```
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

#[derive(Clone)]
pub(crate) struct MetricsState<A> {
    pub(crate) metrics: Metrics,
    pub(crate) slots: Slots,
    pub(crate) connections: Arc<Table>,
    pub(crate) lifecycle: Lifecycle,
    /// `None` where everyone who reaches the port may read the metrics.
    pub(crate) authentication: Option<A>,
}

pub(crate) async fn write<A: Authentication>(
    State(state): State<MetricsState<A>>,
    headers: HeaderMap,
) -> Response {
    if let Some(authentication) = &state.authentication {
        let caller = authentication.of_request(&headers).await;
        if let Err(refusal) = caller.and_then(|caller| caller.may_read_metrics()) {
            return refusal.into_http(MediaType::Json);
        }
    }
    let gauge = |name: &'static str, value: usize| {
        // A gauge shows at most 2^32 - 1.
        metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
    };
    let cheap = state.slots.taken();
    let (heavy, waiting) = state.slots.heavy_taken_and_waiting();
    gauge("graphql_operations_in_flight", cheap + heavy);
    gauge("graphql_heavy_operations_waiting", waiting);
    for (class, taken) in [(Class::Cheap, cheap), (Class::Heavy, heavy)] {
        let taken = f64::from(u32::try_from(taken).unwrap_or(u32::MAX));
        metrics::gauge!("graphql_slots_taken", "class" => class.name()).set(taken);
    }
    gauge("graphql_sockets_open", state.lifecycle.sockets.len());
    gauge("http_connections_open", state.connections.len());
    gauge("http_held_bytes", state.connections.held());
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, (state.metrics)()).into_response()
}
