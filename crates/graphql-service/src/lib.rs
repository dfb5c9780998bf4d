//! GraphQL over HTTP, server-sent events and WebSocket, for any async-graphql executor: an axum service.
//!
//! [`app`] builds the whole of it over an [`Executor`](async_graphql::Executor), and [`serve`] runs it to its end. The handler is thin and
//! our own, because a ready one answers every request as if it had been well-formed; what it promises is in the
//! specifications *GraphQL over HTTP* (draft of the GraphQL foundation) and *GraphQL over WebSocket*
//! (`graphql-transport-ws`), cited where they decide something.
//!
//! Pages of other origins have no business here, unless a setting names them: what a browser lets them send without asking
//! is refused (the content type of a POST, the `Origin` of a WebSocket), and where it asks (CORS), nobody answers.

pub use self::{
    access::{Anyone, Authentication, Caller, Init},
    app::App,
    connection::{ConnectionOptions, network},
    health::Readiness,
    host::Hosts,
    lifecycle::{Connection, Stop, Stopped, serve},
    limits::Limits,
    metrics::Metrics,
    options::Options,
    persisted::{PersistedOptions, TrustedDocuments},
    refusal::Refusal,
    request_error::{RequestError, RequestErrors},
    routes::app,
    slots::HeavyOptions,
    socket::SocketOptions,
};

mod access;
mod admission;
mod app;
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
mod options;
mod origin;
mod panic;
mod persisted;
mod refusal;
mod request;
mod request_error;
mod response;
mod routes;
mod slots;
mod socket;
mod spelling;
mod trace;
mod trace_context;
mod wishes;
mod writing;
