//! Serves until it is asked to stop, and then stops within a bound.
//!
//! When it is asked to stop, `/readyz` answers 503. After `notice`, in which load balancers can see that, no more connections are
//! accepted. Running requests then have `drain` to finish. A request that has not finished by then is cut off and rolls back, and its
//! client is answered with 503.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::accept;
use crate::{connection::Listener, edge::app::App};

/// How long the answers to requests that were cut off may take to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a server takes to stop.
///
/// ```
/// use std::time::Duration;
/// use graphql_service::Stop;
///
/// // Load balancers have five seconds to notice, and running requests ten to finish.
/// let stop = Stop { notice: Duration::from_secs(5), drain: Duration::from_secs(10) };
/// # let _ = stop;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// How long `/readyz` answers 503 while connections are still accepted.
    pub notice: Duration,
    /// How long running requests may then take to finish before they are cut off.
    pub drain: Duration,
}

/// How a server ended. [`serve`] answers it.
///
/// ```
/// use graphql_service::Stopped;
///
/// fn exit_code(stopped: Stopped) -> u8 {
///     match stopped {
///         Stopped::Clean => 0,
///         Stopped::CutOff => 1,
///     }
/// }
/// # assert_eq!(exit_code(Stopped::Clean), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every request had finished.
    Clean,
    /// At least one request was cut off.
    CutOff,
}

/// Serves `app` until `shutdown` resolves, then stops within the times of `stop`.
///
/// If the process has no file descriptors left for new connections, open connections are still served, and those that have been idle
/// for longest are closed to make room.
///
/// ```
/// use std::time::Duration;
/// # use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// # use graphql_service::{Anyone, Limits, Options, RequestErrors, app};
/// use graphql_service::{Stop, Stopped, serve};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
/// #     .extension(RequestErrors::within(&Limits::default()))
/// #     .finish();
/// # let definition = graphql_operation::Schema::parse(&schema.sdl())?;
/// # let app = app(schema, Options::new(definition, Anyone));
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let shutdown = async { _ = stopped.await };
/// let times = Stop { notice: Duration::ZERO, drain: Duration::from_secs(10) };
/// let server = tokio::spawn(serve(listener, app, shutdown, times));
///
/// // Later, such as on SIGTERM:
/// drop(stop);
/// assert_eq!(server.await?, Stopped::Clean);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future stops the server without a bound: no more connections are accepted, subscriptions end, and running requests go on
/// until they have finished or the runtime ends.
pub async fn serve<L: Listener>(
    listener: L,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
    stop: Stop,
) -> Stopped {
    let lifecycle = app.lifecycle().clone();
    let stop_accepting = CancellationToken::new();
    let mut server = tokio::spawn(accept::accept(listener, app, stop_accepting.clone()));
    // Guards, because the task that accepts goes on if this future is dropped.
    let draining = lifecycle.draining.clone().drop_guard();
    let stop_accepting = stop_accepting.drop_guard();

    shutdown.await;
    drop(draining);
    sleep(stop.notice).await;
    drop(stop_accepting);
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
    let _ = timeout(FLUSH_TIMEOUT, async {
        if !server.is_finished() {
            let _ = (&mut server).await;
        }
        lifecycle.sockets.wait().await;
    })
    .await;
    Stopped::CutOff
}
