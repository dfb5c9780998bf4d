//! The argument that names the database.

use clap::Args;

#[derive(Args)]
pub(in crate::config) struct DatabaseArgs {
    /// The database: sqlite://FILE?mode=rwc or postgres://USER:PASSWORD@HOST/NAME; of a cluster all servers: HOST:5432,HOST:5432
    #[arg(
        long,
        env = "DAYBOOK_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://daybook.db?mode=rwc",
        value_name = "URL"
    )]
    pub(in crate::config) database: String,
}
