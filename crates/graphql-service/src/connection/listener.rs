//! The source of connections, and what to do when none can be accepted.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::server::TlsStream;

/// A client's connection, which has TCP at the bottom. Implement it for a wrapper of your own around a TCP connection.
///
/// ```
/// use graphql_service::Connection;
/// use tokio::net::TcpStream;
///
/// struct Wrapped(TcpStream);
///
/// impl Connection for Wrapped {
///     fn tcp(&self) -> &TcpStream {
///         &self.0
///     }
/// }
/// ```
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

/// Accepts the connections that [`serve`](crate::serve) serves. Tokio's `TcpListener` is one.
///
/// Unlike axum's trait of this name, it passes on the errors of the system, so that [`serve`](crate::serve) can make room if the process
/// has no file descriptors left.
///
/// ```
/// use std::{io, net::SocketAddr};
/// use graphql_service::Listener;
/// use tokio::net::{TcpListener, TcpStream};
///
/// /// Accepts clients of one machine only.
/// struct Only(SocketAddr, TcpListener);
///
/// impl Listener for Only {
///     type Io = TcpStream;
///
///     async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
///         loop {
///             let (stream, from) = self.1.accept().await?;
///             if from.ip() == self.0.ip() {
///                 return Ok((stream, from));
///             }
///         }
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// An accepted connection.
    type Io: AsyncRead + AsyncWrite + Connection + Unpin + Send + 'static;

    /// Waits for the next connection, and answers with the client's address.
    ///
    /// # Errors
    ///
    /// The system's error where no connection can be accepted. [`serve`](crate::serve) tries again a little later.
    ///
    /// # Cancel safety
    ///
    /// It has to be cancel safe: [`serve`](crate::serve) drops the future when it stops.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Whether an error of `accept` means that the process or the system has no file descriptor, or no memory, left for another connection.
///
/// ```
/// use std::io;
/// use graphql_service::is_out_of_descriptors;
///
/// assert!(!is_out_of_descriptors(&io::ErrorKind::ConnectionReset.into()));
/// # #[cfg(target_os = "linux")]
/// assert!(is_out_of_descriptors(&io::Error::from_raw_os_error(24))); // EMFILE
/// ```
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// How long to wait before accepting again after a failure, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// How many idle connections are closed in a row, if that does not help.
const MOST_CLOSED: u32 = 4;

/// Failures are over once there was none for this long.
const QUIET: Duration = Duration::from_secs(5);

/// Failures are logged at most this often.
const REPEAT: Duration = Duration::from_secs(60);

/// Failures to accept connections, one after the other.
#[derive(Debug, Default)]
pub(crate) struct AcceptFailures {
    /// Failures since a connection was last accepted.
    failures: u32,
    /// Idle connections that were closed since then.
    closed: u32,
    last_failure: Option<Instant>,
    logged: Option<Instant>,
    /// Whether the last line in the log says that connections cannot be accepted.
    is_logged: bool,
}

/// What to do about a failure to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Accept again at once: only that one connection failed.
    GoOn,
    /// Wait, then accept again. First close an idle connection, if that may help.
    Pause { time: Duration, close_idle: bool },
}

impl AcceptFailures {
    /// Notes a failure, and answers what to do.
    pub(crate) fn failed(&mut self, error: &io::Error) -> Remedy {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return Remedy::GoOn;
        }
        metrics::counter!("http_accept_failures_total").increment(1);
        let now = Instant::now();
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
        let was_logged_lately = self.logged.is_some_and(|at| now - at < REPEAT);
        if !was_logged_lately {
            self.logged = Some(now);
            self.is_logged = true;
            if is_out_of_descriptors(error) {
                tracing::warn!(
                    %error,
                    "no new connection can be taken, because there are no file descriptors left: raise `ulimit -n`, or lower the limit of connections"
                );
            } else {
                tracing::warn!(%error, "no new connection can be taken");
            }
        }
        let doublings = (self.failures - 1).min(16);
        Remedy::Pause {
            time: PAUSE.0.saturating_mul(1 << doublings).min(PAUSE.1),
            close_idle: is_out_of_descriptors(error) && self.closed < MOST_CLOSED,
        }
    }

    /// Notes that an idle connection was closed. There may have been none, or none that has not just come.
    pub(crate) fn closed_idle(&mut self) {
        self.closed += 1;
    }

    /// Notes that a connection was accepted.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.closed = 0;
        if self.is_logged && self.last_failure.is_none_or(|at| at.elapsed() > QUIET) {
            self.is_logged = false;
            tracing::info!("new connections can be taken again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_and_longer_and_close_a_few_idle_connections() {
        let mut failures = AcceptFailures::default();
        let none_left = io::Error::from(Errno::MFILE);
        let mut times = Vec::new();
        for n in 1..=12 {
            let Remedy::Pause { time, close_idle } = failures.failed(&none_left) else {
                panic!("it goes on at once");
            };
            // The first time there is none to close.
            assert_eq!(close_idle, n <= MOST_CLOSED + 1);
            if close_idle && n > 1 {
                failures.closed_idle();
            }
            times.push(time);
        }
        assert_eq!((times[0], times[11]), PAUSE);
        assert!(times.is_sorted());
        failures.succeeded();
        assert!(failures.is_logged);
        let again = failures.failed(&none_left);
        let first = Remedy::Pause {
            time: PAUSE.0,
            close_idle: true,
        };
        assert_eq!(again, first);
        tokio::time::advance(QUIET * 2).await;
        failures.succeeded();
        assert!(!failures.is_logged);
    }

    #[test]
    fn one_connection_that_fails_is_no_reason_to_pause() {
        let gone = io::ErrorKind::ConnectionAborted.into();
        assert_eq!(AcceptFailures::default().failed(&gone), Remedy::GoOn);
    }
}
