//! The command line for clap: names, environment variables, defaults and help. Values stay text.

mod access;
mod connections;
mod database;
mod files;
mod limits;
mod observe;
mod terminal;
mod webhooks;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(super) use self::{
    access::{AccessArgs, TlsArgs},
    connections::ConnectionArgs,
    database::{DatabaseArgs, ReplicaArgs},
    files::{ExportArgs, ImportArgs},
    limits::LimitArgs,
    observe::{LogArgs, TraceArgs},
    terminal::{AccountsArgs, BalanceArgs, LookArgs, PlaceArgs, PostArgs, StatementArgs},
    webhooks::WebhookArgs,
};
use self::{
    files::{EXPORT_HELP, IMPORT_HELP},
    terminal::{ACCOUNTS_HELP, BALANCE_HELP, EXIT_CODES, POST_HELP, STATEMENT_HELP},
};

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
    Verify(VerifyArgs),
    /// List accounts
    #[command(after_help = with_exit_codes(ACCOUNTS_HELP))]
    Accounts(Box<AccountsArgs>),
    /// Show what is on accounts
    #[command(after_help = with_exit_codes(BALANCE_HELP))]
    Balance(Box<BalanceArgs>),
    /// Show the lines of an account, with the balance after each: a table, CSV, JSON, or a page to print
    #[command(after_help = with_exit_codes(STATEMENT_HELP))]
    Statement(Box<StatementArgs>),
    /// Post an entry
    #[command(after_help = with_exit_codes(POST_HELP))]
    Post(Box<PostArgs>),
    /// Write the whole ledger out, for hledger, ledger, a spreadsheet or a program
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Post what a file says: all of it, or nothing; the same file once
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Print the GraphQL schema, or say what changed since a file of it
    Schema(SchemaArgs),
    /// Print a script with which a shell completes commands and flags
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print a man page
    #[command(after_help = MAN_HELP)]
    Man(ManArgs),
}

/// The end of the help of a command, with what its exit codes mean.
fn with_exit_codes(help: &str) -> String {
    format!("{help}\n\n{EXIT_CODES}")
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
    /// The command that the page is about; by default daybook itself
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
    /// On a stop: how long /readyz answers 503 before the port is closed
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
    /// Do not serve GraphiQL at /, and show no client the statements of its operations
    #[arg(long, env = "DAYBOOK_NO_PLAYGROUND")]
    pub(super) no_playground: bool,
    /// Do not serve the page at /ledger
    #[arg(long, env = "DAYBOOK_NO_LEDGER_PAGE")]
    pub(super) no_ledger_page: bool,
    /// Seal what is posted, a second or two later: a chain of hashes, of which clients can keep receipts, and which verify checks
    #[arg(long, env = "DAYBOOK_SEAL")]
    pub(super) seal: bool,
    /// Serve /metrics at this address only, to everybody who reaches it; by default it is at the port of the API, behind the same
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
    pub(super) replicas: ReplicaArgs,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) webhooks: WebhookArgs,
    #[command(flatten)]
    pub(super) traces: TraceArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Args)]
pub(super) struct SchemaArgs {
    /// Print what changed since the schema in this file, and exit with 1 if a change breaks clients
    #[arg(long, value_name = "FILE")]
    pub(super) check: Option<std::path::PathBuf>,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// A receipt that was kept: the number of an event and its hash, as `receipt` has them; can be given more than once
    #[arg(long, value_name = "NUMBER:HASH")]
    pub(super) receipt: Vec<String>,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Args)]
pub(super) struct MigrateArgs {
    /// Also set up what tokens for some ledgers need: on PostgreSQL the role daybook_confined, and policies for it
    #[arg(long)]
    pub(super) confine: bool,
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}
