//! A server, from its listener to its end.
//!
//! Read `serve.rs` first: it serves, drains and stops. `accept.rs` takes connections and gives each a task, `service.rs` hands its
//! requests to the app and counts what they hold.
//!
//! What is known of connections belongs to `connection`, what a request is answered to the others.

pub(crate) mod serve;

mod accept;
mod service;
