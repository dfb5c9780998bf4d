//! One binary for all integration tests: a build and a link less per file.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a panic is how they report"
)]

mod http;
