//! `/graphql`: the way of an operation, from its request to its answer, on each transport.
//!
//! Read `handle.rs` first: it answers every HTTP request, step by step. `state.rs` is what all requests share, `asked.rs` what is known of
//! one of them. `batch.rs` answers an array of requests, `stream/` a subscription over HTTP, and `socket/` a WebSocket, with the times and
//! limits of `socket_options.rs`.
//!
//! How a request is read belongs to `request`, how an answer is written to `answer`, and who may run what to `admission`.

pub(crate) mod asked;
pub(crate) mod batch;
pub(crate) mod handle;
pub(crate) mod socket;
pub(crate) mod socket_options;
pub(crate) mod state;
pub(crate) mod stream;
