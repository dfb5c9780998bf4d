//! Serves until it is asked to stop, and then stops within a bound.
//!
//! When asked to stop: `/readyz` says no; after `notice`, in which load balancers can see that, no connection is
//! accepted any more; what is under way may finish, for `drain` at most; what has not finished by then is cut off and
//! rolls back, and its client is told so with 503.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::accept;
use crate::{connection::Listener, edge::app::App};

/// How long the answers to what was cut off may take to leave.
const FLUSH: Duration = Duration::from_millis(500);

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
    let mut server = tokio::spawn(accept::accept(listener, app, stop_accepting.clone()));

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
