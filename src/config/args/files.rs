//! Arguments of `export` and `import`.

use std::path::PathBuf;

use clap::Args;

use super::{database::DatabaseArgs, observe::LogArgs};

pub(super) const EXPORT_HELP: &str = "Examples:\n  \
    daybook export --format hledger --output daybook.journal && hledger -f daybook.journal balance\n  \
    daybook export --format ledger | ledger -f - balance\n  \
    daybook export --format csv > lines.csv\n  \
    daybook export --format json | jq '.entries[-1]'\n\n\
    Journals and CSV have what moved money; holds and releases are in JSON alone.";

pub(super) const IMPORT_HELP: &str = "Examples:\n  \
    daybook import --format hledger 2026.journal\n  \
    hledger -f all.journal print | daybook import --format hledger -\n  \
    daybook import --format hledger --currency 'h=HOUR' time.journal\n  \
    daybook import --format csv lines.csv\n\n\
    The database is brought up to date first. Accounts and currencies that are missing are opened and registered.";

#[derive(Args)]
pub(in crate::config) struct ExportArgs {
    /// What to write: hledger, ledger, csv or json
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::config) format: String,
    /// Where to write it; by default standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::config) output: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::config) database: DatabaseArgs,
    #[command(flatten)]
    pub(in crate::config) log: LogArgs,
}

#[derive(Args)]
pub(in crate::config) struct ImportArgs {
    /// The format of the file: hledger or csv
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::config) format: String,
    /// Which currency a symbol of the file stands for, such as 'h=HOUR', or '=EUR' for amounts without one; can be given again
    #[arg(long, value_name = "SYMBOL=CODE")]
    pub(in crate::config) currency: Vec<String>,
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    pub(in crate::config) file: PathBuf,
    #[command(flatten)]
    pub(in crate::config) database: DatabaseArgs,
    #[command(flatten)]
    pub(in crate::config) log: LogArgs,
}
