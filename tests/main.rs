//! The one integration binary: what Daybook does, on every engine.

mod graphql;
mod http;
mod ledger;
