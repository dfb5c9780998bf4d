//! What a server is made of, beside the executor.

use std::sync::Arc;

use axum::{Router, http::HeaderValue};
use graphql_operation::Schema;

use crate::{
    admission::{limits::Limits, slots::options::HeavyOptions},
    connection::ConnectionOptions,
    edge::host::Hosts,
    graphql::socket::options::SocketOptions,
    observe::{health::Readiness, metrics::Metrics},
    request::{persisted::PersistedOptions, switches::Switches},
};

/// What [`app`](crate::app) needs beside the executor. `A` is the server's [`Authentication`](crate::Authentication).
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
    /// How its operations are prepared; [`Options::limits`] has what they may ask for.
    pub operations: graphql_operation::Options,
    /// What the server takes at most.
    pub limits: Limits,
    /// Which operations are heavy, and how many of them run at once.
    pub heavy: HeavyOptions,
    /// How documents may be named instead of sent.
    pub persisted: PersistedOptions,
    /// Who the callers are, and what they may do.
    pub authentication: A,
    /// Origins whose pages may use the API, beside its own.
    pub origins: Vec<HeaderValue>,
    /// The names of this server that requests may ask for. Default: those of loopback.
    pub hosts: Hosts,
    /// What a client hears that asks for another name: what to do about it, in the words of this server's settings. Default: to ask for
    /// localhost, or for a name that the server is set to answer.
    pub host_advice: &'static str,
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

impl<A> Options<A> {
    /// The defaults, for an executor of operations of this schema, and with this to tell who the callers are. A server that
    /// everyone may use says so: [`Anyone`](crate::Anyone).
    ///
    /// It is known by the names of loopback alone, until [`Options::hosts`] has others.
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

/// The rest are set as they are.
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
