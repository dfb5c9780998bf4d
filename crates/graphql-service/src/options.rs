//! What a server is made of, beside the executor.

use std::sync::Arc;

use axum::{Router, http::HeaderValue};
use graphql_operation::Schema;

use super::{
    Anyone, ConnectionOptions, HeavyOptions, Hosts, Limits, Metrics, PersistedOptions, Readiness,
    SocketOptions, Switches,
};

/// What [`app`](crate::app) needs beside the executor. `A` is the server's [`Authentication`](crate::Authentication).
#[non_exhaustive]
pub struct Options<A = Anyone> {
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
    /// Who the callers are, and what they may do. Default: everyone may do everything.
    pub authentication: A,
    /// Origins whose pages may use the API, beside its own.
    pub origins: Vec<HeaderValue>,
    /// The names of this server that requests may ask for.
    pub hosts: Hosts,
    /// The times and limits of connections.
    pub connections: ConnectionOptions,
    /// The times and limits of a WebSocket.
    pub socket: SocketOptions,
    /// What `/readyz` asks. Default: a server that is not stopping is ready.
    pub readiness: Readiness,
    /// What `/metrics` answers, where there is one.
    pub metrics: Option<Metrics>,
    /// Whether `/metrics` is left out, for [`App::metrics`](crate::App::metrics) to serve on a port of its own. There everyone may
    /// read it.
    pub metrics_apart: bool,
    /// Which switches requests may have. Default: none.
    pub switches: Switches,
    /// Pages beside the API, such as a playground.
    pub pages: Option<Router>,
}

impl Options {
    /// The defaults, for an executor of operations of this schema.
    #[must_use]
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            operations: graphql_operation::Options::default(),
            limits: Limits::default(),
            heavy: HeavyOptions::default(),
            persisted: PersistedOptions::default(),
            authentication: Anyone,
            origins: Vec::new(),
            hosts: Hosts::default(),
            connections: ConnectionOptions::default(),
            socket: SocketOptions::default(),
            readiness: Arc::new(|| Box::pin(async { Ok(()) })),
            metrics: None,
            metrics_apart: false,
            switches: Switches::default(),
            pages: None,
        }
    }
}

impl<A> Options<A> {
    /// Has this tell who the callers are, and what they may do.
    #[must_use]
    pub fn authentication<B>(self, authentication: B) -> Options<B> {
        Options {
            schema: self.schema,
            operations: self.operations,
            limits: self.limits,
            heavy: self.heavy,
            persisted: self.persisted,
            authentication,
            origins: self.origins,
            hosts: self.hosts,
            connections: self.connections,
            socket: self.socket,
            readiness: self.readiness,
            metrics: self.metrics,
            metrics_apart: self.metrics_apart,
            switches: self.switches,
            pages: self.pages,
        }
    }
}
