//! The one integration binary: what Daybook does, on every engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test, a panic is how a failure is reported"
)]

mod baddays;
mod exchange;
mod graphql;
mod http;
mod ledger;
mod readme;
mod terminal;
