//! The argument that names the database.

use clap::Args;

#[derive(Args)]
pub(in crate::config) struct DatabaseArgs {
    /// The database: sqlite://FILE?mode=rwc, postgres://USER:PASSWORD@HOST/NAME or mariadb://USER:PASSWORD@HOST/NAME; of a cluster all servers:
    /// HOST:5432,HOST:5432
    #[arg(
        long,
        env = "DAYBOOK_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://daybook.db?mode=rwc",
        value_name = "URL"
    )]
    pub(in crate::config) database: String,
}

/// Standbys that the server reads from.
#[derive(Args)]
#[command(next_help_heading = "Replicas")]
pub(in crate::config) struct ReplicaArgs {
    /// A standby of the database, or a list of them, which queries may be read from: postgres://USER:PASSWORD@HOST,HOST/NAME; can be given again
    #[arg(
        long,
        env = "DAYBOOK_REPLICA",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(in crate::config) replica: Vec<String>,
    /// How long a query waits until a replica has what its consistency token stands for, before it is read on the primary
    #[arg(
        long,
        env = "DAYBOOK_REPLICA_WAIT",
        default_value = "50ms",
        value_name = "TIME"
    )]
    pub(in crate::config) replica_wait: String,
    /// How far behind the primary a replica may be for a query without a token; without this, such queries are read on the primary
    #[arg(long, env = "DAYBOOK_MAX_STALENESS", value_name = "TIME")]
    pub(in crate::config) max_staleness: Option<String>,
}
