//! The settings of each command.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use axum::http::{HeaderValue, Uri};

use super::{access::TokenSettings, database_url::DatabaseUrl, log::LogSettings};
use crate::{
    exchange::Format,
    http::{Certificate, ConnectionOptions, HeavyOptions, Hosts, Limits, PersistedOptions},
    webhook::WebhookOptions,
};

/// The settings of the server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeSettings {
    /// Host and port to listen on. Port 0 is any free one.
    pub listen: String,
    /// The database.
    pub database: DatabaseUrl,
    /// The most connections of each pool.
    pub max_connections: u32,
    /// The most subscriptions at once.
    pub max_subscriptions: usize,
    /// How long one operation may take.
    pub deadline: Duration,
    /// How long a stopping server still accepts connections while `/readyz` says no.
    pub notice: Duration,
    /// How long operations under way may take to finish when the server stops.
    pub drain: Duration,
    /// Whether to bring the database's schema up to date first.
    pub migrate: bool,
    /// Whether to serve the playground.
    pub playground: bool,
    /// Whether to serve the page for people at `/ledger`.
    pub ledger_page: bool,
    /// Whether to seal what is posted.
    pub seal: bool,
    /// Whether to serve `/metrics`.
    pub metrics: bool,
    /// Where to serve it, if not at `listen`.
    pub metrics_listen: Option<String>,
    /// The certificate for TLS. Without it, the server speaks plain HTTP.
    pub certificate: Option<Certificate>,
    /// Which tokens are accepted. Without it, everyone may do everything.
    pub tokens: Option<TokenSettings>,
    /// Origins whose pages may use the API, beside its own.
    pub origins: Vec<HeaderValue>,
    /// The names that requests may use for this server.
    pub hosts: Hosts,
    /// Limits of connections.
    pub connections: ConnectionOptions,
    /// Standbys that queries may be read from.
    pub replicas: Vec<DatabaseUrl>,
    /// How long a query waits until a replica has what its consistency token stands for.
    pub replica_wait: Duration,
    /// How far behind the primary a replica may be for a query without a token.
    pub max_staleness: Option<Duration>,
    /// Limits of requests, operations and answers.
    pub limits: Limits,
    /// Which operations are heavy, and how many of them run at once.
    pub heavy: HeavyOptions,
    /// Persisted documents.
    pub persisted: PersistedOptions,
    /// How events are sent to webhooks.
    pub webhooks: WebhookOptions,
    /// Where spans are sent.
    pub traces: Option<Uri>,
    /// What to log.
    pub log: LogSettings,
}

/// The settings of `verify`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifySettings {
    /// Receipts that were kept: the number of an event, and its hash.
    pub receipts: Vec<(i64, String)>,
    /// The database.
    pub database: DatabaseUrl,
    /// What to log.
    pub log: LogSettings,
}

/// The settings of `migrate`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MigrateSettings {
    /// Whether to set up what tokens for some ledgers need.
    pub confine: bool,
    /// The database.
    pub database: DatabaseUrl,
    /// What to log.
    pub log: LogSettings,
}

/// The settings of `export`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportSettings {
    /// What to write.
    pub format: Format,
    /// The file to write; without it, standard output.
    pub output: Option<PathBuf>,
    /// The database.
    pub database: DatabaseUrl,
    /// What to log.
    pub log: LogSettings,
}

/// The settings of `import`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ImportSettings {
    /// The format of the file.
    pub format: Format,
    /// The currency that each symbol of the file stands for.
    pub currencies: HashMap<String, String>,
    /// The file; `-` is standard input.
    pub file: PathBuf,
    /// The database.
    pub database: DatabaseUrl,
    /// What to log.
    pub log: LogSettings,
}
