//! The options of a server.

use std::sync::Arc;

use axum::{Router, http::HeaderValue};
use graphql_operation::Schema;

use crate::{
    admission::{limits::Limits, slots::options::HeavyOptions},
    connection::ConnectionOptions,
    edge::host::Hosts,
    graphql::socket_options::SocketOptions,
    observe::{health::Readiness, metrics::Metrics},
    request::{persisted::PersistedOptions, switches::Switches},
};

/// What [`app`](crate::app) needs beside the executor. `A` is the application's [`Authentication`](crate::Authentication).
///
/// ```
/// use graphql_service::{Anyone, Hosts, Limits, Options};
///
/// let schema = graphql_operation::Schema::parse("type Query { one: Int! }")?;
/// let options = Options::new(schema, Anyone)
///     .limits(Limits::default().batch(1))
///     .hosts(Hosts::LoopbackAnd(vec!["notes.example".to_owned()]));
/// # Ok::<(), graphql_operation::SchemaError>(())
/// ```
#[non_exhaustive]
pub struct Options<A> {
    /// The schema that the executor executes.
    pub schema: Schema,
    /// How its operations are prepared. Its `limits` are not used: [`Options::limits`] replaces them.
    pub operations: graphql_operation::Options,
    /// Limits of requests, operations and answers.
    pub limits: Limits,
    /// Which operations are heavy, and how many of them run at once.
    pub heavy: HeavyOptions,
    /// Persisted documents.
    pub persisted: PersistedOptions,
    /// Identifies callers, and says what they may do.
    pub authentication: A,
    /// Origins whose pages may use the API, beside the server's own, such as `https://app.example`. Default: none.
    pub origins: Vec<HeaderValue>,
    /// The names that requests may have in `Host`. Default: the names of loopback.
    pub hosts: Hosts,
    /// The end of the error for a client that uses another name. It should say what to do about it, in terms of this server's settings.
    /// Default: to ask for localhost, or for a name that the server is set to answer.
    pub host_advice: &'static str,
    /// The times and limits of connections.
    pub connections: ConnectionOptions,
    /// The times and limits of a WebSocket.
    pub socket: SocketOptions,
    /// The check behind `/readyz`. Default: a server is ready while it is not stopping.
    pub readiness: Readiness,
    /// Writes the answer of `/metrics`. Default: there is no `/metrics`.
    pub metrics: Option<Metrics>,
    /// Whether `/metrics` is served by [`App::metrics`](crate::App::metrics), on a port of its own, instead of beside the API. There
    /// everyone may read it. Default: no.
    pub metrics_apart: bool,
    /// Which switches requests may have. Default: none; a request with one is refused.
    pub switches: Switches,
    /// Further routes, such as the pages of a playground. They are not authenticated. Default: none.
    pub pages: Option<Router>,
}

impl<A> Options<A> {
    /// The default options. `schema` is the schema that the executor executes; `authentication` identifies callers
    /// ([`Anyone`](crate::Anyone) if there is no authentication).
    ///
    /// Such a server answers to the names of loopback only, until [`Options::hosts`] has others.
    #[must_use]
    pub fn new(schema: Schema, authentication: A) -> Self {
        Self {
            schema,
            operations: graphql_operation::Options::default(),
            limits: Limits::default(),
            heavy: HeavyOptions::default(),
            persisted: PersistedOptions::default(),
            authentication,
            origins: Vec::new(),
            hosts: Hosts::default(),
            host_advice: "ask for localhost, or for a name that it is set to answer",
            connections: ConnectionOptions::default(),
            socket: SocketOptions::default(),
            readiness: Arc::new(|| Box::pin(async { Ok(()) })),
            metrics: None,
            metrics_apart: false,
            switches: Switches::default(),
            pages: None,
        }
    }

    /// Sets [`Options::metrics`](#structfield.metrics).
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Sets [`Options::pages`](#structfield.pages).
    #[must_use]
    pub fn pages(mut self, pages: Router) -> Self {
        self.pages = Some(pages);
        self
    }
}

/// Methods for the options that are set as they are.
macro_rules! options {
    ($($field:ident: $value:ty),* $(,)?) => {
        impl<A> Options<A> {
            $(
                #[doc = concat!("Sets [`Options::", stringify!($field), "`](#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, $field: $value) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

options! {
    operations: graphql_operation::Options,
    limits: Limits,
    heavy: HeavyOptions,
    persisted: PersistedOptions,
    origins: Vec<HeaderValue>,
    hosts: Hosts,
    host_advice: &'static str,
    connections: ConnectionOptions,
    socket: SocketOptions,
    readiness: Readiness,
    metrics_apart: bool,
    switches: Switches,
}
