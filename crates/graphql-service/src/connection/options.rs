//! The times and limits of connections.

use std::time::Duration;

use crate::setters::setters;

/// Limits and time-outs of connections. They hold for servers that [`serve`](crate::serve) runs.
///
/// ```
/// use std::time::Duration;
/// use graphql_service::ConnectionOptions;
///
/// let connections = ConnectionOptions::default()
///     .connections(1024)
///     .idle_timeout(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionOptions {
    /// Connections at once. At the limit, an idle connection is closed for a new one. Lowered to
    /// [`most_connections`](crate::most_connections). Default: 4,096.
    pub connections: usize,
    /// Connections at once from one address (with IPv6: from one network of 64 bits). Default: 2,048.
    pub per_address: usize,
    /// How long a client may take to send the headers of a request, from their first byte on. For the first request this is counted from
    /// the beginning of the connection. Default: 10 s.
    pub header_timeout: Duration,
    /// Bytes of the headers of a request. Default: 64 KiB.
    pub header_bytes: usize,
    /// How long a client may take to send the body of a request. Default: 30 s.
    pub body_timeout: Duration,
    /// The lowest average rate of a body after its first five seconds, in bytes per second. Default: 1,024.
    pub body_rate: usize,
    /// How long a connection may be idle between requests. Default: 75 s.
    pub idle_timeout: Duration,
    /// How long a connection accepts new requests. Running requests then finish. Default: 1 h.
    pub lifetime: Duration,
    /// How long a client may leave a response unread before the connection is closed. Default: 20 s.
    pub write_timeout: Duration,
    /// Requests at once on one HTTP/2 connection. Default: 100.
    pub streams: u32,
    /// How often the server pings an HTTP/2 client, and how long the client may take to answer. Default: 20 s.
    pub ping_interval: Duration,
    /// Bytes that all clients together may hold: headers and bodies that are half sent, and responses that are unread. Above it, the connection
    /// that holds the most is closed, unless it holds less than an equal share. So up to twice as much can be held for a while. Default: 64 MiB.
    pub held_bytes: usize,
    /// Bytes of unread responses from which on a connection's further requests are refused. Default: 4 MiB.
    pub held_per_connection: usize,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            connections: 4096,
            per_address: 2048,
            header_timeout: Duration::from_secs(10),
            header_bytes: 64 * 1024,
            body_timeout: Duration::from_secs(30),
            body_rate: 1024,
            idle_timeout: Duration::from_secs(75),
            lifetime: Duration::from_secs(60 * 60),
            write_timeout: Duration::from_secs(20),
            streams: 100,
            ping_interval: Duration::from_secs(20),
            held_bytes: 64 * 1024 * 1024,
            held_per_connection: 4 * 1024 * 1024,
        }
    }
}

setters!(ConnectionOptions {
    connections: usize,
    per_address: usize,
    header_timeout: Duration,
    header_bytes: usize,
    body_timeout: Duration,
    body_rate: usize,
    idle_timeout: Duration,
    lifetime: Duration,
    write_timeout: Duration,
    streams: u32,
    ping_interval: Duration,
    held_bytes: usize,
    held_per_connection: usize,
});
