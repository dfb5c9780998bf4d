//! Daybook's own part of its HTTP interface: authentication, the pages, TLS.
//!
//! The crate `graphql-service` does the rest: GraphQL over HTTP, server-sent events and WebSocket, connections, limits, health. A server
//! is built with [`options`] and [`app`]. Nothing here knows how a request is read or answered.

use graphql_operation::Schema;
use graphql_service::Switches;
pub use graphql_service::{
    App, Connection, ConnectionOptions, HeavyOptions, Hosts, Limits, Metrics, PersistedOptions,
    Readiness, RequestError, RequestErrors, SocketOptions, Stop, Stopped, TrustedDocuments, app,
    serve,
};
use unit_of_work::Report;

pub(crate) use self::secret_file::warn_if_exposed;
pub use self::{
    auth::{Access, Grant, KeyError, KeyFile, KeySource, Keys, READ, Tokens, WRITE},
    tls::{Certificate, CertificateError, CertificateFiles, TlsListener},
};

pub mod ledger_page;
pub mod playground;

mod auth;
mod embedded;
mod secret_file;
mod tls;

/// What [`app`] needs beside the executor. [`options`] makes them.
pub type Options = graphql_service::Options<Access>;

/// The default options of a Daybook server: no authentication, no pages, no metrics. `schema` is the schema that the executor executes;
/// `readiness` is the check behind `/readyz`.
///
/// Requests may have the switches of the unit of work. Their reports show no statements.
#[must_use]
pub fn options(readiness: Readiness, schema: Schema) -> Options {
    Options::new(schema, Access::Anyone)
        .readiness(readiness)
        .host_advice("ask for localhost, or start the server with --allow-host and this name")
        .switches(reports(Report::InExtensions))
}

/// The switches of the unit of work, with reports that show this much at most.
#[must_use]
pub fn reports(most_told: Report) -> Switches {
    Switches::UnitOfWork { most_told }
}
