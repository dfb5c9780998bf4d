//! Limits of connections.

use super::{args::ConnectionArgs, value, wrong::Reader};
use crate::http::ConnectionOptions;

/// Reads the times and limits of connections. All are read before an error is reported.
pub(super) fn connections(
    args: &ConnectionArgs,
    values: &mut Reader<'_>,
) -> Option<ConnectionOptions> {
    let mut options = ConnectionOptions::default();
    let mut is_right = true;
    for (limit, id, text) in [
        (&mut options.connections, "max_clients", &args.max_clients),
        (
            &mut options.per_address,
            "max_clients_per_address",
            &args.max_clients_per_address,
        ),
        (&mut options.header_bytes, "max_headers", &args.max_headers),
        (&mut options.body_rate, "min_body_rate", &args.min_body_rate),
        (&mut options.held_bytes, "max_held", &args.max_held),
        (
            &mut options.held_per_connection,
            "max_held_per_client",
            &args.max_held_per_client,
        ),
    ] {
        match values.read(id, text, value::limit) {
            Some(value) => *limit = value,
            None => is_right = false,
        }
    }
    for (time, id, text) in [
        (
            &mut options.header_timeout,
            "header_timeout",
            &args.header_timeout,
        ),
        (
            &mut options.body_timeout,
            "body_timeout",
            &args.body_timeout,
        ),
        (
            &mut options.idle_timeout,
            "idle_timeout",
            &args.idle_timeout,
        ),
        (
            &mut options.lifetime,
            "connection_lifetime",
            &args.connection_lifetime,
        ),
        (
            &mut options.write_timeout,
            "write_timeout",
            &args.write_timeout,
        ),
        (
            &mut options.ping_interval,
            "ping_interval",
            &args.ping_interval,
        ),
    ] {
        match values.read(id, text, value::some_time) {
            Some(value) => *time = value,
            None => is_right = false,
        }
    }
    match values.read("max_streams", &args.max_streams, value::at_least_one) {
        Some(streams) => options.streams = streams,
        None => is_right = false,
    }
    is_right.then_some(options)
}
