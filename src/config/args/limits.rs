//! Limits of requests, operations and answers.

use clap::{Args, ValueHint};

/// Limits of requests, operations and answers.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::config) struct LimitArgs {
    /// Operations at once, over all transports; beyond it clients get OVERLOADED
    #[arg(
        long,
        env = "DAYBOOK_MAX_OPERATIONS",
        default_value = "512",
        value_name = "N"
    )]
    pub(in crate::config) max_operations: String,
    /// Heavy operations at once, over all transports: those that are large, or ask for much; by default as many as there are
    /// processors, and never more than half of --max-connections
    #[arg(long, env = "DAYBOOK_MAX_HEAVY", value_name = "N")]
    pub(in crate::config) max_heavy: Option<String>,
    /// Heavy operations that wait for their turn; beyond it clients get OVERLOADED
    #[arg(
        long,
        env = "DAYBOOK_MAX_HEAVY_WAITING",
        default_value = "64",
        value_name = "N"
    )]
    pub(in crate::config) max_heavy_waiting: String,
    /// How long a heavy operation waits for its turn; then the client gets OVERLOADED
    #[arg(
        long,
        env = "DAYBOOK_HEAVY_WAIT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub(in crate::config) heavy_wait: String,
    /// Fields beyond which an operation is heavy, counted as for --max-complexity; each totalCount counts as hundreds
    #[arg(
        long,
        env = "DAYBOOK_HEAVY_COMPLEXITY",
        default_value = "2000",
        value_name = "N"
    )]
    pub(in crate::config) heavy_complexity: String,
    /// Bytes of a request, or of its document, beyond which it is heavy
    #[arg(
        long,
        env = "DAYBOOK_HEAVY_BYTES",
        default_value = "16384",
        value_name = "N"
    )]
    pub(in crate::config) heavy_bytes: String,
    /// Subscriptions at once, over all transports; beyond it clients get TOO_MANY_SUBSCRIPTIONS
    #[arg(
        long,
        env = "DAYBOOK_MAX_SUBSCRIPTIONS",
        default_value = "10000",
        value_name = "N"
    )]
    pub(in crate::config) max_subscriptions: String,
    /// Bytes of a request body, or of a WebSocket message
    #[arg(
        long,
        env = "DAYBOOK_MAX_BODY",
        default_value = "1048576",
        value_name = "N"
    )]
    pub(in crate::config) max_body: String,
    /// Operations in one JSON batch
    #[arg(
        long,
        env = "DAYBOOK_MAX_BATCH",
        default_value = "10",
        value_name = "N"
    )]
    pub(in crate::config) max_batch: String,
    /// Tokens of a document
    #[arg(
        long,
        env = "DAYBOOK_MAX_TOKENS",
        default_value = "5000",
        value_name = "N"
    )]
    pub(in crate::config) max_tokens: String,
    /// Fields inside fields
    #[arg(
        long,
        env = "DAYBOOK_MAX_DEPTH",
        default_value = "20",
        value_name = "N"
    )]
    pub(in crate::config) max_depth: String,
    /// Fields a response can have, with those below a connection once per item of the page
    #[arg(
        long,
        env = "DAYBOOK_MAX_COMPLEXITY",
        default_value = "50000",
        value_name = "N"
    )]
    pub(in crate::config) max_complexity: String,
    /// Fields with an alias
    #[arg(
        long,
        env = "DAYBOOK_MAX_ALIASES",
        default_value = "200",
        value_name = "N"
    )]
    pub(in crate::config) max_aliases: String,
    /// Fields at the top of an operation
    #[arg(
        long,
        env = "DAYBOOK_MAX_ROOT_FIELDS",
        default_value = "100",
        value_name = "N"
    )]
    pub(in crate::config) max_root_fields: String,
    /// Directives
    #[arg(
        long,
        env = "DAYBOOK_MAX_DIRECTIVES",
        default_value = "100",
        value_name = "N"
    )]
    pub(in crate::config) max_directives: String,
    /// Bytes of an answer, of a batch's answers together, or of an event
    #[arg(
        long,
        env = "DAYBOOK_MAX_ANSWER",
        default_value = "8388608",
        value_name = "BYTES"
    )]
    pub(in crate::config) max_answer: String,
    /// Bytes of documents kept for clients that send only their hash (APQ); 0 turns that off
    #[arg(
        long,
        env = "DAYBOOK_PERSISTED_BYTES",
        default_value = "16777216",
        value_name = "N"
    )]
    pub(in crate::config) persisted_bytes: String,
    /// A manifest of documents that clients can name: {"id": "text"}, or Apollo's
    #[arg(long, env = "DAYBOOK_TRUSTED_DOCUMENTS", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::config) trusted_documents: Option<String>,
    /// Take no documents but those of the manifest
    #[arg(long, env = "DAYBOOK_ONLY_TRUSTED_DOCUMENTS")]
    pub(in crate::config) only_trusted_documents: bool,
    /// Refuse introspection, which shows the schema to clients
    #[arg(long, env = "DAYBOOK_NO_INTROSPECTION")]
    pub(in crate::config) no_introspection: bool,
}
