//! TLS, where a certificate is given.
//!
//! A connection is handed on when its handshake is done. Handshakes run beside each other and beside the accepting, each
//! within a bound: a client that opens a connection and says nothing holds up nobody, and a server that stops waits for
//! no handshake.
//!
//! Why not axum-server: version 0.9 reads a certificate again and bounds the time of a handshake too, but not how many there are at once;
//! and it would accept the connections itself, which are counted and bounded in `connection` here.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use graphql_service::{Listener, is_out_of_descriptors, most_descriptors};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use super::secret_file;

pub use self::certificate::{Certificate, CertificateError, CertificateFiles};

mod certificate;

/// Handshakes at once, and no more than an eighth of the files that the process may open, since they are not counted among the connections.
/// Where there are as many, the oldest is ended: whoever means to shake hands has done so by then. One address (of IPv6: one network of
/// 64 bits) has half of them at most, so that it does not end those of others.
const MOST_HANDSHAKES: usize = 512;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Told to those who speak HTTP without TLS.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 38\r\n\
    connection: close\r\n\
    \r\n\
    this port speaks TLS: ask by https://\n";

/// The most that is read of a request that is told so.
const LONGEST_PLAIN: u64 = 64 * 1024;

/// Takes connections from another listener, and hands them on as TLS.
pub struct TlsListener<L> {
    tcp: L,
    certificate: Certificate,
    handshake: Duration,
    most: usize,
    /// From the oldest to the youngest, some of which are over.
    order: VecDeque<(IpAddr, AbortHandle)>,
    /// Dropped with the listener, and the handshakes with them.
    handshakes: JoinSet<io::Result<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl<L> TlsListener<L> {
    /// Shows this certificate as it is when a connection comes.
    pub fn new(tcp: L, certificate: Certificate) -> Self {
        secret_file::warn_if_exposed(certificate.key_file());
        Self {
            tcp,
            certificate,
            handshake: HANDSHAKE,
            most: MOST_HANDSHAKES.min(most_descriptors() / 8).max(1),
            order: VecDeque::new(),
            handshakes: JoinSet::new(),
        }
    }

    /// Gives clients this long to shake hands.
    #[must_use]
    pub fn handshake_within(self, handshake: Duration) -> Self {
        Self { handshake, ..self }
    }

    /// Has so many handshakes under way at most, and half as many of one address. Default: 512.
    #[must_use]
    pub fn handshakes(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Ends a handshake where there are too many for one more from this address.
    fn make_room(&mut self, from: IpAddr) {
        self.order.retain(|(_, handshake)| !handshake.is_finished());
        let of_address = self.order.iter().filter(|(address, _)| *address == from);
        let leaving = if of_address.count() >= (self.most / 2).max(1) {
            self.order.iter().position(|(address, _)| *address == from)
        } else {
            (self.order.len() >= self.most).then_some(0)
        };
        self.end_handshake(leaving);
    }

    fn end_handshake(&mut self, index: Option<usize>) {
        if let Some((_, handshake)) = index.and_then(|index| self.order.remove(index)) {
            handshake.abort();
            metrics::counter!("http_connections_closed_total", "reason" => "handshakes")
                .increment(1);
        }
    }
}

impl<L: Listener<Io = TcpStream>> Listener for TlsListener<L> {
    type Io = TlsStream<TcpStream>;

    async fn accept(&mut self) -> io::Result<(Self::Io, SocketAddr)> {
        loop {
            tokio::select! {
                accepted = self.tcp.accept() => {
                    let (tcp, from) = match accepted {
                        Ok(connection) => connection,
                        Err(error) => {
                            if is_out_of_descriptors(&error) {
                                self.order.retain(|(_, handshake)| !handshake.is_finished());
                                self.end_handshake((!self.order.is_empty()).then_some(0));
                            }
                            return Err(error);
                        }
                    };
                    let config = self.certificate.config();
                    let handshake = timeout(self.handshake, shake_hands(tcp, config));
                    let address = graphql_service::network(from.ip());
                    self.make_room(address);
                    let task = self.handshakes.spawn(async move { Ok((handshake.await??, from)) });
                    self.order.push_back((address, task));
                }
                Some(outcome) = self.handshakes.join_next() => match outcome {
                    Ok(Ok(connection)) => return Ok(connection),
                    // Scanners do this all day: nobody needs to act.
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => tracing::error!(%error, "a TLS handshake panicked"),
                },
            }
        }
    }
}

async fn shake_hands(
    mut tcp: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    // A TLS connection begins with 0x16 (RFC 8446, section 5.1), HTTP with a letter.
    if tcp.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
        return Err(refuse_plain_http(&mut tcp).await);
    }
    TlsAcceptor::from(config).accept(tcp).await
}

/// Answers, and reads what was sent: to close with something unread would reset the connection, and the answer with it.
async fn refuse_plain_http(tcp: &mut TcpStream) -> io::Error {
    let refuse = async {
        tcp.write_all(PLAIN_HTTP.as_bytes()).await?;
        tcp.shutdown().await?;
        tokio::io::copy(&mut tcp.take(LONGEST_PLAIN), &mut tokio::io::sink()).await
    };
    match refuse.await {
        Ok(_) => io::Error::other("plain HTTP was spoken"),
        Err(error) => error,
    }
}
