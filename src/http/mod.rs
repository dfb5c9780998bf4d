//! Everything that clients meet: GraphQL over HTTP, server-sent events and WebSocket, health, the playground.
//!
//! [`app`] builds the whole of it over any [`Executor`], and [`serve`] runs it to its end. The handler is thin and
//! our own, because a ready one answers every request as if it had been well-formed; what it promises is in the
//! specifications *GraphQL over HTTP* (draft of the GraphQL foundation) and *GraphQL over WebSocket*
//! (`graphql-transport-ws`), cited where they decide something.
//!
//! Pages of other origins have no business here, unless a setting names them: what a browser lets them send without asking
//! is refused (the content type of a POST, the `Origin` of a WebSocket), and where it asks (CORS), nobody answers.

use std::sync::Arc;

use async_graphql::Executor;
use axum::{
    Router,
    http::HeaderValue,
    routing::{any, get},
};
use graphql_operation::{Preparer, Schema};
use unit_of_work::Report;

pub use self::{
    app::App,
    auth::{Grant, KeyError, KeyFile, KeySource, Keys, READ, Tokens, WRITE},
    connection::ConnectionOptions,
    health::Readiness,
    host::Hosts,
    lifecycle::{Connection, Stop, Stopped, serve},
    limits::Limits,
    metrics::Metrics,
    persisted::{PersistedOptions, TrustedDocuments},
    request_error::{RequestError, RequestErrors},
    slots::HeavyOptions,
    socket::SocketOptions,
    tls::{Certificate, CertificateError, CertificateFiles, TlsListener},
};
use self::{auth::Access, lifecycle::Lifecycle};

pub mod playground;

mod access;
mod admission;
mod app;
mod auth;
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
mod origin;
mod panic;
mod persisted;
mod refusal;
mod request;
mod request_error;
mod response;
mod secret_file;
mod slots;
mod socket;
mod spelling;
mod tls;
mod trace;
mod trace_context;
mod wishes;
mod writing;

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
        Self {
            readiness,
            schema,
            operations: graphql_operation::Options::default(),
            limits: Limits::default(),
            heavy: HeavyOptions::default(),
            persisted: PersistedOptions::new(),
            tokens: None,
            origins: Vec::new(),
            hosts: Hosts::default(),
            connections: ConnectionOptions::default(),
            socket: SocketOptions::default(),
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

struct GraphqlState<E, A> {
    executor: E,
    limits: Limits,
    slots: slots::Slots,
    documents: persisted::Documents,
    preparer: Preparer,
    authentication: A,
    origins: Arc<[HeaderValue]>,
    socket: SocketOptions,
    most_told: Report,
    lifecycle: Lifecycle,
}

/// The routes `/graphql`, `/healthz`, `/readyz`, `/metrics` and the pages, with what lies around them all.
///
/// The executor's schema has to have [`RequestErrors`] as its first extension, around another one: it executes operations as
/// they were prepared here.
pub fn app<E: Executor>(executor: E, options: Options) -> App {
    let authentication = Access(options.tokens);
    let lifecycle = Lifecycle::default();
    let connections = Arc::new(connection::Table::new(options.connections));
    let slots = slots::Slots::new(options.limits.operations, options.heavy);
    // axum clones the state for every request, more than once.
    let graphql = any(graphql::handle::<E, Access>).with_state(Arc::new(GraphqlState {
        executor,
        limits: options.limits,
        slots: slots.clone(),
        documents: persisted::Documents::new(options.persisted),
        preparer: Preparer::new(
            options.schema,
            options.operations.limits(options.limits.of_operation()),
        ),
        authentication: authentication.clone(),
        origins: options.origins.clone().into(),
        socket: options.socket,
        most_told: options.most_told,
        lifecycle: lifecycle.clone(),
    }));
    let ready = get(health::ready).with_state(health::HealthState {
        readiness: options.readiness,
        lifecycle: lifecycle.clone(),
    });
    let mut metrics_alone = None;
    let mut router = Router::new()
        .route("/graphql", graphql)
        .route("/healthz", get(health::alive))
        .route("/readyz", ready);
    if let Some(metrics) = options.metrics {
        let state = metrics::MetricsState {
            metrics,
            slots,
            connections: connections.clone(),
            lifecycle: lifecycle.clone(),
            authentication: (!options.metrics_apart).then_some(authentication),
        };
        let metrics = get(metrics::write::<Access>).with_state(state);
        if options.metrics_apart {
            metrics_alone = Some(Router::new().route("/metrics", metrics));
        } else {
            router = router.route("/metrics", metrics);
        }
    }
    if let Some(pages) = options.pages {
        router = router.merge(pages);
    }
    let metrics = metrics_alone.map(|metrics| {
        let hosts = options.hosts.clone();
        // What is open there is nothing that clients wait for.
        let connections = connection::Table::new(options.connections);
        App::new(
            metrics,
            Vec::new(),
            hosts,
            Arc::new(connections),
            Lifecycle::default(),
            None,
        )
    });
    App::new(
        router,
        options.origins,
        options.hosts,
        connections,
        lifecycle,
        metrics,
    )
}
