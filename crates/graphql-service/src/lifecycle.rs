//! The stage of a server: it serves, it drains, it ends. `server/serve.rs` moves it from one stage to the next.

use axum::{http::StatusCode, response::Response};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::answer::{media::MediaType, refusal::Refusal};

/// The stage of a server. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifecycle {
    /// The server has been asked to stop.
    pub(crate) draining: CancellationToken,
    /// The time for running requests is over.
    pub(crate) cut: CancellationToken,
    /// The open WebSockets. The server waits for them by this, since axum does not wait for a connection that was upgraded.
    pub(crate) sockets: TaskTracker,
}

impl Lifecycle {
    /// Waits for an answer, but drops it and answers 503 when the time for running requests is over.
    pub(crate) async fn cut_off(&self, answer: impl Future<Output = Response>) -> Response {
        self.cut
            .run_until_cancelled(answer)
            .await
            .unwrap_or_else(|| {
                Refusal::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the server stops: the operation was ended, and what it did is rolled back",
                )
                .into_http(MediaType::Json)
            })
    }
}
