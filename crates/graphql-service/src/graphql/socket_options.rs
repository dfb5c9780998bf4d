//! The times and limits of a socket.

use std::time::Duration;

use crate::setters::setters;

/// The times and limits of a WebSocket.
///
/// ```
/// use graphql_service::SocketOptions;
///
/// let socket = SocketOptions::default().operations(20);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SocketOptions {
    /// How long a client may take to send `connection_init`; then the socket is closed with 4408. Default: 5 s.
    pub init_timeout: Duration,
    /// How often the server pings a client. A client from which nothing came for two intervals is taken for gone. Default: 12 s.
    pub ping_interval: Duration,
    /// How long a client may leave one message unread before the socket is dropped. Default: 20 s.
    pub send_timeout: Duration,
    /// Operations that one socket may run at once; a further one is refused. Default: 100.
    pub operations: usize,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(12),
            send_timeout: Duration::from_secs(20),
            operations: 100,
        }
    }
}

setters!(SocketOptions {
    init_timeout: Duration,
    ping_interval: Duration,
    send_timeout: Duration,
    operations: usize,
});
