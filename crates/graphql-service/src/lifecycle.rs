//! The life of a server: it serves, it drains, it ends.
//!
//! When asked to stop: `/readyz` says no; after `notice`, in which load balancers can see that, no connection is
//! accepted any more; what is under way may finish, for `drain` at most; what has not finished by then is cut off and
//! rolls back, and its client is told so with 503.

use std::time::Duration;

use axum::{http::StatusCode, response::Response};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    App,
    answer::{media::MediaType, refusal::Refusal},
    connection::{self, Listener},
};

/// How long the answers to what was cut off may take to leave.
const FLUSH: Duration = Duration::from_millis(500);

/// Where a server is in its life. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifecycle {
    /// The server has been asked to stop.
    pub(crate) draining: CancellationToken,
    /// The time to finish is over.
    pub(crate) cut: CancellationToken,
    /// The open WebSockets: axum does not wait for a connection that was upgraded.
    pub(crate) sockets: TaskTracker,
}

impl Lifecycle {
    /// Drops what makes an answer, when it has not finished and the time for it is over.
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

/// The times of stopping.
///
/// ```
/// use std::time::Duration;
/// use graphql_service::Stop;
///
/// // The load balancer has five seconds to hear of it, and what is under way ten to finish.
/// let stop = Stop { notice: Duration::from_secs(5), drain: Duration::from_secs(10) };
/// # let _ = stop;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// From `/readyz` saying no to the end of accepting.
    pub notice: Duration,
    /// From the end of accepting to cutting off what has not finished.
    pub drain: Duration,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything under way had finished.
    Clean,
    /// Something was cut off.
    CutOff,
}

/// What a client is connected by: over TCP in the end.
pub trait Connection {
    /// The TCP connection.
    fn tcp(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Connection for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves `app` until `shutdown` resolves, then stops within the times of `stop`.
///
/// Where no connection can be taken, for want of file descriptors, those that are there are served all the same. The ones that have been
/// idle for longest make room.
///
/// # Cancel safety
///
/// Dropping the future stops accepting; connections that are open live on until the runtime ends.
pub async fn serve<L: Listener>(
    listener: L,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
    stop: Stop,
) -> Stopped {
    let lifecycle = app.lifecycle().clone();
    let stop_accepting = CancellationToken::new();
    let mut server = tokio::spawn(connection::serve(listener, app, stop_accepting.clone()));

    shutdown.await;
    lifecycle.draining.cancel();
    sleep(stop.notice).await;
    stop_accepting.cancel();
    lifecycle.sockets.close();

    let deadline = Instant::now() + stop.drain;
    let finished = async {
        let _ = (&mut server).await;
        lifecycle.sockets.wait().await;
    };
    if timeout_at(deadline, finished).await.is_ok() {
        return Stopped::Clean;
    }
    lifecycle.cut.cancel();
    let _ = timeout(FLUSH, async {
        if !server.is_finished() {
            let _ = (&mut server).await;
        }
        lifecycle.sockets.wait().await;
    })
    .await;
    Stopped::CutOff
}
