//! The harness's own tests, through its public face.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests report by panicking"
)]

mod databases;
mod server;
mod wire;
