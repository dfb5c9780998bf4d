//! `/healthz` and `/readyz`, for whoever starts, stops and routes to servers.
//!
//! Alive means that the process answers; ready, that it is not stopping and its database can serve.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::lifecycle::Lifecycle;

/// Asks whether the server can serve now; the error says why not, in words that anyone may read.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A probe that waits longer than this has its answer.
const PATIENCE: Duration = Duration::from_secs(2);

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
        timeout(PATIENCE, (state.readiness)())
            .await
            .unwrap_or_else(|_| Err("the readiness check takes too long".to_owned()))
    };
    let (status, text) = match outcome {
        Ok(()) => (StatusCode::OK, "ready".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text)
}
