//! `/healthz` and `/readyz`, for supervisors and load balancers.
//!
//! A server is alive if its process answers. It is ready if it is not stopping and the application's check succeeds.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::lifecycle::Lifecycle;

/// The application's check of whether the server can serve now, such as by asking its database. `/readyz` answers 200 or 503.
///
/// The error says why not. Everyone who reaches `/readyz` can read it. A check that takes longer than two seconds is dropped and counts as
/// failed, so it has to be cancel safe.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
/// use graphql_service::Readiness;
///
/// let is_loaded = Arc::new(AtomicBool::new(false));
/// let asked = Arc::clone(&is_loaded);
/// let readiness: Readiness = Arc::new(move || {
///     let is_loaded = asked.load(Ordering::Relaxed);
///     Box::pin(async move { if is_loaded { Ok(()) } else { Err("still loading".to_owned()) } })
/// });
/// # let _ = readiness;
/// ```
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A check that takes longer than this has failed.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct HealthState {
    pub(crate) readiness: Readiness,
    pub(crate) lifecycle: Lifecycle,
}

pub(crate) async fn alive() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok")
}

pub(crate) async fn ready(State(state): State<HealthState>) -> impl IntoResponse {
    let outcome = if state.lifecycle.draining.is_cancelled() {
        Err("stopping".to_owned())
    } else {
        timeout(READINESS_TIMEOUT, (state.readiness)())
            .await
            .unwrap_or_else(|_| Err("the readiness check takes too long".to_owned()))
    };
    let (status, text) = match outcome {
        Ok(()) => (StatusCode::OK, "ready".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text)
}
