//! What a request says.
//!
//! Read `read.rs` first: it makes a GraphQL request of a URL or a body. `persisted.rs` gives a request its document where it only names
//! one. `request_options.rs` reads the switches (headers and `extensions`) that `switches.rs` allows, `idempotency.rs` reads one of them, and
//! `spelling.rs` refuses names that are almost those of a switch, which `near.rs` tells. `origin.rs` asks which page a browser's request comes from.
//!
//! Nothing here runs an operation, or decides who may run one.

pub(crate) mod idempotency;
mod near;
pub(crate) mod origin;
pub(crate) mod persisted;
pub(crate) mod read;
pub(crate) mod request_options;
pub(crate) mod spelling;
pub(crate) mod switches;
