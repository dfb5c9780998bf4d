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
    /// How long a client may take to send `connection_init` (then 4408).
    pub init_timeout: Duration,
    /// How often the peer is asked whether it lives; after two of these without a word it is taken for gone.
    pub ping_interval: Duration,
    /// How long the client may leave one message unread.
    pub send_timeout: Duration,
    /// Operations under way at once.
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
