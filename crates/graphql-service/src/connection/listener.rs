//! Where connections come from, and what to do when none can be taken.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::server::TlsStream;

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

/// Takes connections of clients, for [`serve`](crate::serve).
///
/// It tells of the errors of the system, unlike axum's trait of this name, so that [`serve`](crate::serve) can make room where the
/// process has no file descriptors left.
pub trait Listener: Send + 'static {
    /// A connection that was taken.
    type Io: AsyncRead + AsyncWrite + Connection + Unpin + Send + 'static;

    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// The system does not give out a connection. The caller asks again a little later.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: [`serve`](crate::serve) drops the future when it stops.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

/// Whether the process, or the whole system, has no file descriptor or no memory left for another connection.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// How long to wait before connections are asked for again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// How many idle connections are closed in a row where that does not help.
const MOST_CLOSED: u32 = 4;

/// Trouble that is over for this long is over.
const QUIET: Duration = Duration::from_secs(5);

/// The same trouble is logged this often at most.
const REPEAT: Duration = Duration::from_secs(60);

/// Failures to take a connection, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Failures since a connection was taken.
    failures: u32,
    last_failure: Option<Instant>,
    logged: Option<Instant>,
    /// Whether the log says that connections cannot be taken, and not yet that they can be again.
    is_told: bool,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Only that connection failed, before it was taken.
    GoOn,
    /// Waits, and asks again. Closes an idle connection first where that may help.
    Pause { time: Duration, close_idle: bool },
}

impl Trouble {
    /// A connection was not taken.
    pub(crate) fn meet(&mut self, error: &io::Error) -> Remedy {
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
        let is_told_lately = self.logged.is_some_and(|at| now - at < REPEAT);
        if !is_told_lately {
            self.logged = Some(now);
            self.is_told = true;
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
            close_idle: is_out_of_descriptors(error) && self.failures <= MOST_CLOSED,
        }
    }

    /// A connection was taken.
    pub(crate) fn end(&mut self) {
        self.failures = 0;
        if self.is_told && self.last_failure.is_none_or(|at| at.elapsed() > QUIET) {
            self.is_told = false;
            tracing::info!("new connections can be taken again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_and_longer_and_close_a_few_idle_connections() {
        let mut trouble = Trouble::default();
        let none_left = io::Error::from(Errno::MFILE);
        let mut times = Vec::new();
        for n in 1..=12 {
            let Remedy::Pause { time, close_idle } = trouble.meet(&none_left) else {
                panic!("it goes on at once");
            };
            assert_eq!(close_idle, n <= MOST_CLOSED);
            times.push(time);
        }
        assert_eq!((times[0], times[11]), PAUSE);
        assert!(times.is_sorted());
        trouble.end();
        assert!(trouble.is_told);
        let again = trouble.meet(&none_left);
        let first = Remedy::Pause {
            time: PAUSE.0,
            close_idle: true,
        };
        assert_eq!(again, first);
        tokio::time::advance(QUIET * 2).await;
        trouble.end();
        assert!(!trouble.is_told);
    }

    #[test]
    fn a_connection_that_fails_by_itself_is_no_trouble() {
        let gone = io::ErrorKind::ConnectionAborted.into();
        assert_eq!(Trouble::default().meet(&gone), Remedy::GoOn);
    }
}
