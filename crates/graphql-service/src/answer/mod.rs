//! How a request is answered, and how it is refused.
//!
//! Read `response.rs` first: one GraphQL response becomes one HTTP response. `media.rs` says under which media type and status;
//! `wire.rs` is the JSON of a response, and `writing.rs` writes long ones in turns with other work. `refusal.rs` is the answer to a request that never becomes an
//! operation, and `request_error.rs` has its codes. `panic.rs` answers in place of a request that panicked.
//!
//! Nothing here knows how a request is read, or which transport carries the answer.

pub(crate) mod media;
pub(crate) mod panic;
pub(crate) mod refusal;
pub(crate) mod request_error;
pub(crate) mod response;
pub(crate) mod wire;
pub(crate) mod writing;
