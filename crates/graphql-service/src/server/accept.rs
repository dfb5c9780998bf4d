//! Accepts connections and gives each a task, until it is told to stop.

use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::service::PeerService;
use crate::{
    connection::{
        Admission, Table,
        listener::{AcceptFailures, Connection as _, Listener, Remedy},
        options::ConnectionOptions,
        orders::Order,
        peer::Peer,
        stream::Stream,
    },
    edge::app::App,
};

/// How often it is asked again whether there is room for a connection.
const PAUSE: Duration = Duration::from_millis(5);

/// Accepts connections until `stop`, and returns when all of them have ended.
pub(super) async fn accept<L: Listener>(mut listener: L, app: App, stop: CancellationToken) {
    let table = app.connections().clone();
    let builder = builder(table.options());
    let connections = TaskTracker::new();
    let serving = async {
        let mut failures = AcceptFailures::default();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let (io, from) = match accepted {
                Ok(connection) => {
                    failures.succeeded();
                    connection
                }
                Err(error) => {
                    if let Remedy::Pause { time, close_idle } = failures.failed(&error) {
                        if close_idle && table.close_idle() {
                            failures.closed_idle();
                        }
                        // Without a pause, failing would keep a processor busy.
                        let pause = tokio::time::sleep(time);
                        let _ = stop.run_until_cancelled(pause).await;
                    }
                    continue;
                }
            };
            // Answers are written whole, so waiting to fill a packet would only delay them.
            if let Err(error) = io.tcp().set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            let Some(peer) = admit(&table, from.ip(), &stop).await else {
                continue;
            };
            let service = PeerService {
                app: app.clone(),
                peer: peer.clone(),
            };
            let io = TokioIo::new(Stream::new(io, peer.clone()));
            connections.spawn(connection(builder.clone(), io, service, peer));
        }
        drop(listener);
        table.go_away();
        connections.close();
        connections.wait().await;
    };
    // The time limits are enforced until the last connection has ended.
    tokio::select! {
        () = serving => {}
        () = table.watch() => {}
    }
}

/// Admits a connection, and waits where all others have just come. Those that come after it wait in the system's queue.
async fn admit(table: &Arc<Table>, from: IpAddr, stop: &CancellationToken) -> Option<Arc<Peer>> {
    loop {
        match table.admit(from) {
            Admission::Admitted(peer) => return Some(peer),
            Admission::Refused => return None,
            Admission::Later(time) => {
                // One of the others may have been served and closed long before.
                let pause = tokio::time::sleep(time.min(PAUSE));
                stop.run_until_cancelled(pause).await?;
            }
        }
    }
}

async fn connection<I>(
    builder: Arc<Builder<TokioExecutor>>,
    io: TokioIo<Stream<I>>,
    service: PeerService,
    peer: Arc<Peer>,
) where
    TokioIo<Stream<I>>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
    let mut is_going = false;
    poll_fn(|context| {
        match peer.orders.of_connection(context) {
            Order::Close => return Poll::Ready(()),
            Order::GoAway if !is_going => {
                is_going = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::GoAway | Order::GoOn => {}
        }
        connection.as_mut().poll(context).map(|outcome| {
            if let Err(error) = outcome {
                tracing::trace!(%error, "a connection failed");
            }
        })
    })
    .await;
}

fn builder(options: &ConnectionOptions) -> Arc<Builder<TokioExecutor>> {
    let mut builder = Builder::new(TokioExecutor::new());
    let header_bytes = options.header_bytes.max(8192);
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Peer` enforces two times: for headers, and between requests. hyper has one for both.
        .header_read_timeout(None)
        .max_buf_size(header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        // WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol()
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(options.streams)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(options.ping_interval)
        .keep_alive_timeout(options.ping_interval);
    Arc::new(builder)
}
