//! Connections of clients: how many there are, how long each may take, and how much memory each may hold.
//!
//! Read `peer.rs` first: what is known of one connection. `orders.rs` is what it is told to do. `table.rs` has all of them, decides who may come and who has to go, and
//! looks at their times twice in each of the shortest. `stream.rs` is the connection itself, which counts what is read and does not
//! wait for a client that does not read; `pace.rs` says how fast. `service.rs` answers its requests, and counts what each holds: `arriving.rs` of the request, `leaving.rs` of the response. `listener.rs` is where they come
//! from, `descriptors.rs` how many there can be. `serve.rs` puts them together.
//!
//! A client costs memory by what it leaves half sent (headers, a body) and by what it leaves unread (responses). Both are counted,
//! for each connection and for all. Where all of them hold more than they may, the one that holds the most and is being waited for
//! is closed: never one that waits for us.
//!
//! Nothing here knows GraphQL.

use std::time::Duration;

use crate::setters::setters;

pub(super) use self::{
    arriving::ArrivalError,
    leaving::Packed,
    peer::{Busy, Unread},
    serve::serve,
    table::Table,
};
pub use self::{
    descriptors::{most_connections, most_descriptors},
    listener::{Listener, is_out_of_descriptors},
    table::network,
};

mod arriving;
mod descriptors;
mod leaving;
mod listener;
mod orders;
mod pace;
mod peer;
mod serve;
mod service;
mod stream;
mod table;

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
