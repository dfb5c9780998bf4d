#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! Read `graphql` first: it is the way of an HTTP request through the others.
//!
//! | question | module |
//! |---|---|
//! | what does the application decide? | [`Options`] in `options`, [`Authentication`] in `access`, [`Switches`] in `request_options` |
//! | which routes are there, and what lies around every request? | `routes`, `app`, `trace`, `trace_context`, `host`, `browser`, `panic` |
//! | which connections are taken, and how does a server end? | `connection`, `lifecycle`, `health`, `metrics` |
//! | what does a request say? | `media`, `request`, `persisted`, `request_options`, `spelling`, `idempotency`, `origin` |
//! | what becomes of several at once? | `batch` |
//! | may it run, and when? | `admission`, `limits`, `slots` |
//! | how is it answered? | `response`, `writing`, `events`, `multipart`, `event_text`, `socket` |
//! | how is it refused? | `refusal`, `request_error` |
//!
//! What never goes here: a database, a schema of its own, and anything that one application alone decides.

pub use self::{
    access::{Anyone, Authentication, Caller, Init},
    app::App,
    connection::{
        ConnectionOptions, Listener, is_out_of_descriptors, most_connections, most_descriptors,
        network,
    },
    health::Readiness,
    host::Hosts,
    lifecycle::{Connection, Stop, Stopped, serve},
    limits::Limits,
    metrics::Metrics,
    options::Options,
    persisted::{PersistedOptions, TrustedDocuments},
    refusal::Refusal,
    request_error::{RequestError, RequestErrors},
    request_options::Switches,
    routes::app,
    slots::HeavyOptions,
    socket::SocketOptions,
};

mod access;
mod admission;
mod app;
mod batch;
mod browser;
mod connection;
mod event_text;
mod events;
mod graphql;
mod health;
mod host;
mod idempotency;
mod lifecycle;
mod limits;
mod media;
mod metrics;
mod multipart;
mod options;
mod origin;
mod panic;
mod persisted;
mod refusal;
mod request;
mod request_error;
mod request_options;
mod response;
mod routes;
mod setters;
mod slots;
mod socket;
mod spelling;
mod trace;
mod trace_context;
mod writing;
