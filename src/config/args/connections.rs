//! Limits of connections.

use clap::Args;

/// Limits of connections.
#[derive(Args)]
#[command(next_help_heading = "Connections")]
pub(in crate::config) struct ConnectionArgs {
    /// Connections of clients at once; where there are as many, an idle one makes room
    #[arg(
        long,
        env = "DAYBOOK_MAX_CLIENTS",
        default_value = "4096",
        value_name = "N"
    )]
    pub(in crate::config) max_clients: String,
    /// The same from one address (IPv6: from one network of 64 bits)
    #[arg(
        long,
        env = "DAYBOOK_MAX_CLIENTS_PER_ADDRESS",
        default_value = "2048",
        value_name = "N"
    )]
    pub(in crate::config) max_clients_per_address: String,
    /// How long a client may take to send the headers of a request, or its TLS handshake
    #[arg(
        long,
        env = "DAYBOOK_HEADER_TIMEOUT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub(in crate::config) header_timeout: String,
    /// Bytes of the headers of a request
    #[arg(
        long,
        env = "DAYBOOK_MAX_HEADERS",
        default_value = "65536",
        value_name = "N"
    )]
    pub(in crate::config) max_headers: String,
    /// How long a client may take to send a body
    #[arg(
        long,
        env = "DAYBOOK_BODY_TIMEOUT",
        default_value = "30s",
        value_name = "TIME"
    )]
    pub(in crate::config) body_timeout: String,
    /// The fewest bytes of a body in a second, after the first five seconds
    #[arg(
        long,
        env = "DAYBOOK_MIN_BODY_RATE",
        default_value = "1024",
        value_name = "N"
    )]
    pub(in crate::config) min_body_rate: String,
    /// How long a connection may be idle between requests
    #[arg(
        long,
        env = "DAYBOOK_IDLE_TIMEOUT",
        default_value = "75s",
        value_name = "TIME"
    )]
    pub(in crate::config) idle_timeout: String,
    /// How long a connection is used for new requests
    #[arg(
        long,
        env = "DAYBOOK_CONNECTION_LIFETIME",
        default_value = "1h",
        value_name = "TIME"
    )]
    pub(in crate::config) connection_lifetime: String,
    /// How long a client may leave unread what was sent to it
    #[arg(
        long,
        env = "DAYBOOK_WRITE_TIMEOUT",
        default_value = "20s",
        value_name = "TIME"
    )]
    pub(in crate::config) write_timeout: String,
    /// Requests at once on one HTTP/2 connection
    #[arg(
        long,
        env = "DAYBOOK_MAX_STREAMS",
        default_value = "100",
        value_name = "N"
    )]
    pub(in crate::config) max_streams: String,
    /// How often an HTTP/2 client is sent a ping; it may take as long to answer
    #[arg(
        long,
        env = "DAYBOOK_PING_INTERVAL",
        default_value = "20s",
        value_name = "TIME"
    )]
    pub(in crate::config) ping_interval: String,
    /// Bytes that all clients together may hold: headers and bodies half sent, responses unread
    #[arg(
        long,
        env = "DAYBOOK_MAX_HELD",
        default_value = "67108864",
        value_name = "N"
    )]
    pub(in crate::config) max_held: String,
    /// Bytes of responses that one connection may leave unread before it is refused more requests
    #[arg(
        long,
        env = "DAYBOOK_MAX_HELD_PER_CLIENT",
        default_value = "4194304",
        value_name = "N"
    )]
    pub(in crate::config) max_held_per_client: String,
}
