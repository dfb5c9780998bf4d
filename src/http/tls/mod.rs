//! TLS, if a certificate is set.
//!
//! A connection is handed on when its handshake is done. Handshakes run concurrently, bounded in number and time. So a client that connects
//! and says nothing delays nobody, and a server that stops waits for no handshake.
//!
//! Why not axum-server: version 0.9 can read a certificate again and bounds the time of a handshake, but not how many there are at once. It
//! would also accept the connections itself, which graphql-service counts and bounds.

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

/// The most handshakes at once. They are also limited to an eighth of the files that the process may open, since they are not counted as
/// connections. At the limit, the oldest is ended: an honest client has finished by then. One address (for IPv6, one network of 64 bits)
/// may have half of them, so that it cannot end those of others.
const MOST_HANDSHAKES: usize = 512;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The answer to clients that speak HTTP without TLS.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 38\r\n\
    connection: close\r\n\
    \r\n\
    this port speaks TLS: ask by https://\n";

/// The most bytes that are read of a request without TLS.
const LONGEST_PLAIN: u64 = 64 * 1024;

/// A listener that takes connections from another listener, and hands them on as TLS.
pub struct TlsListener<L> {
    tcp: L,
    certificate: Certificate,
    handshake: Duration,
    most: usize,
    /// The handshakes from the oldest to the youngest. Some may be over.
    order: VecDeque<(IpAddr, AbortHandle)>,
    /// The handshakes. They end when the listener is dropped.
    handshakes: JoinSet<io::Result<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl<L> TlsListener<L> {
    /// A listener that shows each new connection the certificate as it is then.
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

    /// Sets how long a handshake may take. Default: 10 seconds.
    #[must_use]
    pub fn handshake_within(self, handshake: Duration) -> Self {
        Self { handshake, ..self }
    }

    /// Sets the most handshakes at once; one address may have half of them. Default: 512.
    #[must_use]
    pub fn handshakes(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Ends a handshake if there are too many for one more from this address.
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
                    // Scanners do this all day, and nobody needs to act.
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

/// Answers, and reads the rest of the request. Closing with unread data would reset the connection, and the client would lose the answer.
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
