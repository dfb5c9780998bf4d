//! The times and limits of connections.

use std::time::Duration;

use crate::setters::setters;

/// The times and limits of connections.
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
    /// Connections at once. Where there are as many, one that is idle makes room for a new one.
    pub connections: usize,
    /// The same for one address (of IPv6: for one network of 64 bits).
    pub per_address: usize,
    /// How long a client may take to send the headers of a request, from their first byte on; and of the first request, from the
    /// beginning of the connection.
    pub header_timeout: Duration,
    /// Bytes of the headers of a request.
    pub header_bytes: usize,
    /// How long a client may take to send the body of a request.
    pub body_timeout: Duration,
    /// The fewest bytes of a body in a second, on average, after the first five seconds.
    pub body_rate: usize,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// How long a connection takes new requests. What is under way then goes on.
    pub lifetime: Duration,
    /// How long a client may leave unread what was sent to it.
    pub write_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// How often an HTTP/2 client is asked whether it lives. It may take as long to answer.
    pub ping_interval: Duration,
    /// Bytes that all clients together may hold: headers and bodies half sent, responses unread.
    pub held_bytes: usize,
    /// Bytes that one connection may hold before it is refused more requests.
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
