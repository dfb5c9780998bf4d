//! Daybook's own of what clients meet: who may do what, the playground, TLS.
//!
//! GraphQL over HTTP, server-sent events and WebSocket, connections, limits and health are the crate `graphql-service`'s. [`app`] and
//! [`Options`] say what Daybook makes of it. Nothing here knows how a request is read or answered.

use async_graphql::Executor;
use axum::{Router, http::HeaderValue};
use graphql_operation::Schema;
use graphql_service::Switches;
pub use graphql_service::{
    App, Connection, ConnectionOptions, HeavyOptions, Hosts, Limits, Metrics, PersistedOptions,
    Readiness, RequestError, RequestErrors, SocketOptions, Stop, Stopped, TrustedDocuments, serve,
};
use unit_of_work::Report;

use self::auth::Access;
pub use self::{
    auth::{Grant, KeyError, KeyFile, KeySource, Keys, READ, Tokens, WRITE},
    tls::{Certificate, CertificateError, CertificateFiles, TlsListener},
};

pub mod playground;

mod auth;
mod secret_file;
mod tls;

/// What [`app`] needs beside the executor.
#[non_exhaustive]
pub struct Options {
    /// What `/readyz` asks.
    pub readiness: Readiness,
    /// The schema that the executor executes.
    pub schema: Schema,
    /// How its operations are prepared; [`Options::limits`] has what they may ask for.
    pub operations: graphql_operation::Options,
    /// What the server takes at most.
    pub limits: Limits,
    /// Which operations are heavy, and how many of them run at once.
    pub heavy: HeavyOptions,
    /// How documents may be named instead of sent.
    pub persisted: PersistedOptions,
    /// Whose tokens are taken; without it, everyone may do everything.
    pub tokens: Option<Tokens>,
    /// Origins whose pages may use the API, beside its own.
    pub origins: Vec<HeaderValue>,
    /// The names of this server that requests may ask for.
    pub hosts: Hosts,
    /// The times and limits of connections.
    pub connections: ConnectionOptions,
    /// The times and limits of a WebSocket.
    pub socket: SocketOptions,
    /// What `/metrics` answers, where there is one.
    pub metrics: Option<Metrics>,
    /// Whether `/metrics` is left out, for [`App::metrics`] to serve on a port of its own. There it needs no token.
    pub metrics_apart: bool,
    /// The most that responses tell of their unit of work, to those who ask. By default no statement.
    pub most_told: Report,
    /// Pages beside the API, such as the playground.
    pub pages: Option<Router>,
}

impl Options {
    /// The defaults, for an executor of operations of this schema: no pages.
    pub fn new(readiness: Readiness, schema: Schema) -> Self {
        let service = graphql_service::Options::new(schema, ());
        Self {
            readiness,
            schema: service.schema,
            operations: service.operations,
            limits: service.limits,
            heavy: service.heavy,
            persisted: service.persisted,
            tokens: None,
            origins: service.origins,
            hosts: service.hosts,
            connections: service.connections,
            socket: service.socket,
            metrics: None,
            metrics_apart: false,
            most_told: Report::InExtensions,
            pages: None,
        }
    }

    /// Adds pages beside the API.
    #[must_use]
    pub fn pages(self, pages: Router) -> Self {
        Self {
            pages: Some(pages),
            ..self
        }
    }
}

/// What Daybook serves: the routes `/graphql`, `/healthz`, `/readyz`, `/metrics` and the pages.
///
/// The executor's schema has to have [`RequestErrors`] as its first extension, around another one: it executes operations as
/// they were prepared here.
pub fn app<E: Executor>(executor: E, options: Options) -> App {
    let mut service = graphql_service::Options::new(options.schema, Access(options.tokens));
    service.operations = options.operations;
    service.limits = options.limits;
    service.heavy = options.heavy;
    service.persisted = options.persisted;
    service.origins = options.origins;
    service.hosts = options.hosts;
    service.host_advice = "ask for localhost, or start the server with --allow-host and this name";
    service.connections = options.connections;
    service.socket = options.socket;
    service.readiness = options.readiness;
    service.metrics = options.metrics;
    service.metrics_apart = options.metrics_apart;
    service.switches = Switches::UnitOfWork {
        most_told: options.most_told,
    };
    service.pages = options.pages;
    graphql_service::app(executor, service)
}
