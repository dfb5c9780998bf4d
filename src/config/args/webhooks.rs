//! Arguments of webhooks.

use clap::Args;

/// Webhooks.
#[derive(Args)]
#[command(next_help_heading = "Webhooks")]
pub(in crate::config) struct WebhookArgs {
    /// Send webhooks also to addresses that are not public: those of this machine and of its networks
    #[arg(long, env = "DAYBOOK_WEBHOOK_ALLOW_PRIVATE")]
    pub(in crate::config) webhook_allow_private: bool,
    /// Send webhooks also over plain HTTP, by which everyone on the way reads and can change them
    #[arg(long, env = "DAYBOOK_WEBHOOK_ALLOW_HTTP")]
    pub(in crate::config) webhook_allow_http: bool,
    /// How long an endpoint may take to answer; a minute at most
    #[arg(
        long,
        env = "DAYBOOK_WEBHOOK_TIMEOUT",
        default_value = "10s",
        value_name = "TIME"
    )]
    pub(in crate::config) webhook_timeout: String,
    /// How often an event is tried, before it becomes a dead letter or stops the webhook
    #[arg(
        long,
        env = "DAYBOOK_WEBHOOK_ATTEMPTS",
        default_value = "20",
        value_name = "N"
    )]
    pub(in crate::config) webhook_attempts: String,
    /// How long after the first attempt the second is made, an hour at most; the time doubles up to an hour, and differs by up to a fifth
    #[arg(
        long,
        env = "DAYBOOK_WEBHOOK_FIRST_WAIT",
        default_value = "5s",
        value_name = "TIME"
    )]
    pub(in crate::config) webhook_first_wait: String,
    /// Webhooks that this server sends to at once
    #[arg(
        long,
        env = "DAYBOOK_MAX_WEBHOOK_DELIVERIES",
        default_value = "16",
        value_name = "N"
    )]
    pub(in crate::config) max_webhook_deliveries: String,
}
