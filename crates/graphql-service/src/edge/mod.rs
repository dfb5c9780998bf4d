//! What lies around every request, and which routes there are.
//!
//! Read `options.rs` first: what an application decides. `routes.rs` builds the server from it. `app.rs` is the service around all
//! routes: `host.rs` checks the name that was asked for, `browser.rs` compresses and consents to pages of other origins.
//!
//! Nothing here knows what a GraphQL request is.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod host;
pub(crate) mod options;
pub(crate) mod routes;
