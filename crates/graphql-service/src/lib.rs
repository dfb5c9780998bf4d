#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! For those who change the crate: read `graphql` first, which is the way of a request through the others.
//!
//! | question | module |
//! |---|---|
//! | how does an operation go from its request to its answer, on each transport? | `graphql` |
//! | what does a request say? | `request` |
//! | may it run, and when? | `admission`: callers, limits, slots |
//! | how is it answered or refused? | `answer` |
//! | what does the application decide, which routes are there, and what lies around every request? | `edge` |
//! | which connections are taken, and what may each cost? | `connection` |
//! | how does a server start and end? | `server`, `lifecycle` |
//! | what does the server tell about itself? | `observe` |
//!
//! What never goes here: a database, a schema of its own, and anything that one application alone decides.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use self::{
    admission::access::{Anyone, Authentication, Caller, Init},
    admission::limits::Limits,
    admission::request_errors::RequestErrors,
    admission::slots::options::HeavyOptions,
    answer::refusal::Refusal,
    answer::request_error::RequestError,
    connection::{
        Connection, ConnectionOptions, Listener, is_out_of_descriptors, most_connections,
        most_descriptors, network,
    },
    edge::app::App,
    edge::host::Hosts,
    edge::options::Options,
    edge::routes::app,
    graphql::socket_options::SocketOptions,
    observe::health::Readiness,
    observe::metrics::Metrics,
    request::persisted::{PersistedOptions, TrustedDocuments},
    request::switches::Switches,
    server::serve::{Stop, Stopped, serve},
};

mod admission;
mod answer;
mod connection;
mod edge;
mod graphql;
mod lifecycle;
mod observe;
mod request;
mod server;
mod setters;
