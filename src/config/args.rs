//! The command line as clap sees it: names, variables, defaults and help. Values stay text.

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// A double-entry ledger server with a GraphQL API.
#[derive(Parser)]
#[command(
    name = "daybook",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Without a command, daybook serves. Times are written like 30s, 500ms or 2m.\n\
        A flag wins over its environment variable."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Commands>,
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

#[derive(Subcommand)]
pub(super) enum Commands {
    /// Serve the ledger, until SIGTERM or SIGINT (this is the default)
    Serve(Box<ServeArgs>),
    /// Bring the database's schema up to date
    Migrate(MigrateArgs),
    /// Recompute the whole ledger from its lines, and list what differs
    Verify(MigrateArgs),
    /// Write the whole ledger out, for hledger, ledger, a spreadsheet or a program
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Post what a file says: all of it, or nothing; the same file once
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Print the GraphQL schema, or say what changed since a file of it
    Schema(SchemaArgs),
    /// Print what a shell needs to complete commands and flags
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print a man page
    #[command(after_help = MAN_HELP)]
    Man(ManArgs),
}

const COMPLETIONS_HELP: &str = "Examples:\n  \
    daybook completions bash > /usr/share/bash-completion/completions/daybook\n  \
    daybook completions zsh > /usr/local/share/zsh/site-functions/_daybook\n  \
    daybook completions fish > ~/.config/fish/completions/daybook.fish";

const MAN_HELP: &str = "Examples:\n  \
    daybook man | man -l -\n  \
    daybook man export > /usr/local/share/man/man1/daybook-export.1";

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArgs {
    /// The command that the page is about; daybook itself, where not said
    pub(super) command: Option<String>,
}

#[derive(Args)]
pub(super) struct ServeArgs {
    /// The address to listen on; port 0 is any free one
    #[arg(
        long,
        env = "DAYBOOK_LISTEN",
        default_value = "127.0.0.1:8000",
        value_name = "HOST:PORT"
    )]
    pub(super) listen: String,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    /// The most connections of each pool (readers, and on PostgreSQL writers)
    #[arg(
        long,
        env = "DAYBOOK_MAX_CONNECTIONS",
        default_value = "16",
        value_name = "N"
    )]
    pub(super) max_connections: String,
    /// How long one operation may take before it is rolled back
    #[arg(
        long,
        env = "DAYBOOK_DEADLINE",
        default_value = "30s",
        value_name = "TIME"
    )]
    pub(super) deadline: String,
    /// On a stop: how long /readyz says no before the port is closed
    #[arg(
        long,
        env = "DAYBOOK_NOTICE",
        default_value = "0s",
        value_name = "TIME"
    )]
    pub(super) notice: String,
    /// On a stop: how long operations under way may take to finish
    #[arg(
        long,
        env = "DAYBOOK_DRAIN",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub(super) drain: String,
    /// Do not bring the database's schema up to date first
    #[arg(long, env = "DAYBOOK_NO_MIGRATE")]
    pub(super) no_migrate: bool,
    /// Do not serve GraphiQL at /, and tell no client of the statements of its operations
    #[arg(long, env = "DAYBOOK_NO_PLAYGROUND")]
    pub(super) no_playground: bool,
    /// Serve /metrics at this address alone, to everybody who reaches it; otherwise the port of the API has it, behind the same
    /// authentication
    #[arg(long, env = "DAYBOOK_METRICS_LISTEN", value_name = "HOST:PORT")]
    pub(super) metrics_listen: Option<String>,
    /// Do not serve /metrics
    #[arg(long, env = "DAYBOOK_NO_METRICS")]
    pub(super) no_metrics: bool,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    #[command(flatten)]
    pub(super) access: AccessArgs,
    #[command(flatten)]
    pub(super) connections: ConnectionArgs,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) traces: TraceArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Args)]
pub(super) struct SchemaArgs {
    /// Say what the schema changes of this one, and exit with 1 where a change breaks clients
    #[arg(long, value_name = "FILE")]
    pub(super) check: Option<std::path::PathBuf>,
}

#[derive(Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

const EXPORT_HELP: &str = "Examples:\n  \
    daybook export --format hledger --output daybook.journal && hledger -f daybook.journal balance\n  \
    daybook export --format ledger | ledger -f - balance\n  \
    daybook export --format csv > lines.csv\n  \
    daybook export --format json | jq '.entries[-1]'\n\n\
    Journals and CSV have what moved money; holds and releases are in JSON alone.";

const IMPORT_HELP: &str = "Examples:\n  \
    daybook import --format hledger 2026.journal\n  \
    hledger -f all.journal print | daybook import --format hledger -\n  \
    daybook import --format hledger --currency 'h=HOUR' time.journal\n  \
    daybook import --format csv lines.csv\n\n\
    The database is brought up to date first. Accounts and currencies that are missing are opened and registered.";

#[derive(Args)]
pub(super) struct ExportArgs {
    /// What to write: hledger, ledger, csv or json
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: String,
    /// Where to write it; standard output, where not said
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// What the file is written in: hledger or csv
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: String,
    /// Which currency a symbol of the file stands for, such as 'h=HOUR', or '=EUR' for amounts without one; can be given again
    #[arg(long, value_name = "SYMBOL=CODE")]
    pub(super) currency: Vec<String>,
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    pub(super) file: std::path::PathBuf,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Args)]
pub(super) struct DatabaseArgs {
    /// The database: sqlite://FILE?mode=rwc or postgres://USER:PASSWORD@HOST/NAME
    #[arg(
        long,
        env = "DAYBOOK_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://daybook.db?mode=rwc",
        value_name = "URL"
    )]
    pub(super) database: String,
}

/// TLS: the files are read again on SIGHUP, and when they change.
#[derive(Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Speak TLS, with the certificate in this file (PEM, with those that lead to its root)
    #[arg(long, env = "DAYBOOK_TLS_CERTIFICATE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_certificate: Option<String>,
    /// The certificate's private key (PEM, without a passphrase)
    #[arg(long, env = "DAYBOOK_TLS_KEY", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) tls_key: Option<String>,
}

/// Who may do what.
#[derive(Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessArgs {
    /// Take JWTs signed with the secret in this file (HS256)
    #[arg(long, env = "DAYBOOK_JWT_SECRET_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) jwt_secret_file: Option<String>,
    /// Take JWTs signed with a key of this JSON Web Key Set (RS256, ES256, EdDSA), which is got again every five minutes
    #[arg(long, env = "DAYBOOK_JWKS", value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub(super) jwks: Option<String>,
    /// Who has to have issued a JWT (iss)
    #[arg(long, env = "DAYBOOK_JWT_ISSUER", value_name = "TEXT")]
    pub(super) jwt_issuer: Option<String>,
    /// For whom a JWT has to be (aud)
    #[arg(long, env = "DAYBOOK_JWT_AUDIENCE", value_name = "TEXT")]
    pub(super) jwt_audience: Option<String>,
    /// Listen beyond loopback although everyone who reaches the port may read and write the ledger
    #[arg(long, env = "DAYBOOK_WITHOUT_AUTHENTICATION")]
    pub(super) without_authentication: bool,
    /// An origin whose pages may use the API, such as https://app.example; can be given again, or with commas
    #[arg(
        long,
        env = "DAYBOOK_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub(super) allow_origin: Vec<String>,
    /// A name or address by which requests may ask for this server, beside those of loopback; can be given again, or with commas
    #[arg(
        long,
        env = "DAYBOOK_ALLOW_HOST",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub(super) allow_host: Vec<String>,
}

/// What a connection may take.
#[derive(Args)]
#[command(next_help_heading = "Connections")]
pub(super) struct ConnectionArgs {
    /// Connections of clients at once; where there are as many, an idle one makes room
    #[arg(
        long,
        env = "DAYBOOK_MAX_CLIENTS",
        default_value = "4096",
        value_name = "N"
    )]
    pub(super) max_clients: String,
    /// The same from one address (IPv6: from one network of 64 bits)
    #[arg(
        long,
        env = "DAYBOOK_MAX_CLIENTS_PER_ADDRESS",
        default_value = "2048",
        value_name = "N"
    )]
    pub(super) max_clients_per_address: String,
    /// How long a client may take to send the headers of a request, or its TLS handshake
    #[arg(
        long,
        env = "DAYBOOK_HEADER_TIMEOUT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub(super) header_timeout: String,
    /// Bytes of the headers of a request
    #[arg(
        long,
        env = "DAYBOOK_MAX_HEADERS",
        default_value = "65536",
        value_name = "N"
    )]
    pub(super) max_headers: String,
    /// How long a client may take to send a body
    #[arg(
        long,
        env = "DAYBOOK_BODY_TIMEOUT",
        default_value = "30s",
        value_name = "TIME"
    )]
    pub(super) body_timeout: String,
    /// The fewest bytes of a body in a second, after the first five seconds
    #[arg(
        long,
        env = "DAYBOOK_MIN_BODY_RATE",
        default_value = "1024",
        value_name = "N"
    )]
    pub(super) min_body_rate: String,
    /// How long a connection may be idle between requests
    #[arg(
        long,
        env = "DAYBOOK_IDLE_TIMEOUT",
        default_value = "75s",
        value_name = "TIME"
    )]
    pub(super) idle_timeout: String,
    /// How long a connection takes new requests
    #[arg(
        long,
        env = "DAYBOOK_CONNECTION_LIFETIME",
        default_value = "1h",
        value_name = "TIME"
    )]
    pub(super) connection_lifetime: String,
    /// How long a client may leave unread what was sent to it
    #[arg(
        long,
        env = "DAYBOOK_WRITE_TIMEOUT",
        default_value = "20s",
        value_name = "TIME"
    )]
    pub(super) write_timeout: String,
    /// Requests at once on one HTTP/2 connection
    #[arg(
        long,
        env = "DAYBOOK_MAX_STREAMS",
        default_value = "100",
        value_name = "N"
    )]
    pub(super) max_streams: String,
    /// How often an HTTP/2 client is asked whether it lives; it may take as long to answer
    #[arg(
        long,
        env = "DAYBOOK_PING_INTERVAL",
        default_value = "20s",
        value_name = "TIME"
    )]
    pub(super) ping_interval: String,
    /// Bytes that all clients together may hold: headers and bodies half sent, responses unread
    #[arg(
        long,
        env = "DAYBOOK_MAX_HELD",
        default_value = "67108864",
        value_name = "N"
    )]
    pub(super) max_held: String,
    /// Bytes of responses that one connection may leave unread before it is refused more requests
    #[arg(
        long,
        env = "DAYBOOK_MAX_HELD_PER_CLIENT",
        default_value = "4194304",
        value_name = "N"
    )]
    pub(super) max_held_per_client: String,
}

/// What one request may ask for.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Operations at once, over all transports; beyond it clients get OVERLOADED
    #[arg(
        long,
        env = "DAYBOOK_MAX_OPERATIONS",
        default_value = "512",
        value_name = "N"
    )]
    pub(super) max_operations: String,
    /// Heavy operations at once, over all transports: those that are large, or ask for much; by default as many as there are
    /// processors, and never more than half of --max-connections
    #[arg(long, env = "DAYBOOK_MAX_HEAVY", value_name = "N")]
    pub(super) max_heavy: Option<String>,
    /// Heavy operations that wait for their turn; beyond it clients get OVERLOADED
    #[arg(
        long,
        env = "DAYBOOK_MAX_HEAVY_WAITING",
        default_value = "64",
        value_name = "N"
    )]
    pub(super) max_heavy_waiting: String,
    /// How long a heavy operation waits for its turn; then the client gets OVERLOADED
    #[arg(
        long,
        env = "DAYBOOK_HEAVY_WAIT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub(super) heavy_wait: String,
    /// Fields beyond which an operation is heavy, counted as for --max-complexity; each totalCount counts as hundreds
    #[arg(
        long,
        env = "DAYBOOK_HEAVY_COMPLEXITY",
        default_value = "2000",
        value_name = "N"
    )]
    pub(super) heavy_complexity: String,
    /// Bytes of a request, or of its document, beyond which it is heavy
    #[arg(
        long,
        env = "DAYBOOK_HEAVY_BYTES",
        default_value = "16384",
        value_name = "N"
    )]
    pub(super) heavy_bytes: String,
    /// Subscriptions at once, over all transports; beyond it clients get TOO_MANY_SUBSCRIPTIONS
    #[arg(
        long,
        env = "DAYBOOK_MAX_SUBSCRIPTIONS",
        default_value = "10000",
        value_name = "N"
    )]
    pub(super) max_subscriptions: String,
    /// Bytes of a request body, or of a WebSocket message
    #[arg(
        long,
        env = "DAYBOOK_MAX_BODY",
        default_value = "1048576",
        value_name = "N"
    )]
    pub(super) max_body: String,
    /// Operations in one JSON batch
    #[arg(
        long,
        env = "DAYBOOK_MAX_BATCH",
        default_value = "10",
        value_name = "N"
    )]
    pub(super) max_batch: String,
    /// Tokens of a document
    #[arg(
        long,
        env = "DAYBOOK_MAX_TOKENS",
        default_value = "5000",
        value_name = "N"
    )]
    pub(super) max_tokens: String,
    /// Fields inside fields
    #[arg(
        long,
        env = "DAYBOOK_MAX_DEPTH",
        default_value = "20",
        value_name = "N"
    )]
    pub(super) max_depth: String,
    /// Fields a response can have, with those below a connection once per item of the page
    #[arg(
        long,
        env = "DAYBOOK_MAX_COMPLEXITY",
        default_value = "50000",
        value_name = "N"
    )]
    pub(super) max_complexity: String,
    /// Fields with an alias
    #[arg(
        long,
        env = "DAYBOOK_MAX_ALIASES",
        default_value = "200",
        value_name = "N"
    )]
    pub(super) max_aliases: String,
    /// Fields at the top of an operation
    #[arg(
        long,
        env = "DAYBOOK_MAX_ROOT_FIELDS",
        default_value = "100",
        value_name = "N"
    )]
    pub(super) max_root_fields: String,
    /// Directives
    #[arg(
        long,
        env = "DAYBOOK_MAX_DIRECTIVES",
        default_value = "100",
        value_name = "N"
    )]
    pub(super) max_directives: String,
    /// Bytes of an answer, of a batch's answers together, or of an event
    #[arg(
        long,
        env = "DAYBOOK_MAX_ANSWER",
        default_value = "8388608",
        value_name = "BYTES"
    )]
    pub(super) max_answer: String,
    /// Bytes of documents kept for clients that send only their hash (APQ); 0 turns that off
    #[arg(
        long,
        env = "DAYBOOK_PERSISTED_BYTES",
        default_value = "16777216",
        value_name = "N"
    )]
    pub(super) persisted_bytes: String,
    /// A manifest of documents that clients can name: {"id": "text"}, or Apollo's
    #[arg(long, env = "DAYBOOK_TRUSTED_DOCUMENTS", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) trusted_documents: Option<String>,
    /// Take no documents but those of the manifest
    #[arg(long, env = "DAYBOOK_ONLY_TRUSTED_DOCUMENTS")]
    pub(super) only_trusted_documents: bool,
    /// Do not tell the schema to clients
    #[arg(long, env = "DAYBOOK_NO_INTROSPECTION")]
    pub(super) no_introspection: bool,
}

/// Where spans go. The variables are those of OpenTelemetry, which has more of them.
#[derive(Args)]
#[command(next_help_heading = "Traces")]
pub(super) struct TraceArgs {
    /// Send traces to this OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(super) otlp_endpoint: Option<String>,
    /// The same where it is not /v1/traces of the collector
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(super) otlp_traces_endpoint: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Log")]
pub(super) struct LogArgs {
    /// What to log: a level, or per module, like info,unit_of_work=debug
    #[arg(
        long,
        env = "DAYBOOK_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(super) log: String,
    /// The form of a log line: text or json
    #[arg(
        long,
        env = "DAYBOOK_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(super) log_format: String,
}
