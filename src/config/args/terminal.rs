//! Arguments of the commands for people at a terminal: `accounts`, `balance`, `statement` and `post`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{database::DatabaseArgs, observe::LogArgs};

/// Which ledger is meant.
#[derive(Args)]
#[command(next_help_heading = "Ledger")]
pub(in crate::config) struct PlaceArgs {
    /// Ask this server, such as https://ledger.example; by default the database is opened here. A URL without a path means /graphql
    #[arg(
        long,
        env = "DAYBOOK_SERVER",
        value_name = "URL",
        value_hint = ValueHint::Url
    )]
    pub(in crate::config) server: Option<String>,
    /// Show the server the token in this file; by default that in the variable DAYBOOK_TOKEN, if it is set
    #[arg(long, env = "DAYBOOK_TOKEN_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::config) token_file: Option<String>,
    /// Show the token to a server beyond this machine by http://, where everyone on the way can read it
    #[arg(long, env = "DAYBOOK_PLAIN_HTTP")]
    pub(in crate::config) plain_http: bool,
    #[command(flatten)]
    pub(in crate::config) database: DatabaseArgs,
    /// How long each question to the ledger may take
    #[arg(long, default_value = "30s", value_name = "TIME")]
    pub(in crate::config) timeout: String,
}

/// How the answer looks.
#[derive(Args)]
pub(in crate::config) struct LookArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub(in crate::config) json: bool,
    /// When to use colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    pub(in crate::config) color: String,
}

pub(super) const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 refused by the ledger; 4 not now \
    (not reached, overloaded, too late): try again; 5 it is not known whether it was posted.";

pub(super) const ACCOUNTS_HELP: &str = "Examples:\n  \
    daybook accounts\n  \
    daybook accounts assets: --currency EUR\n  \
    daybook accounts --status frozen --json | jq -r '.[].code'\n  \
    daybook accounts --server https://ledger.example --token-file token";

#[derive(Args)]
pub(in crate::config) struct AccountsArgs {
    /// Only accounts whose codes begin like this
    #[arg(value_name = "PREFIX")]
    pub(in crate::config) prefix: Option<String>,
    /// Only accounts of this class: asset, liability, equity, income or expense
    #[arg(long, value_name = "CLASS")]
    pub(in crate::config) class: Option<String>,
    /// Only accounts in this currency
    #[arg(long, value_name = "CODE")]
    pub(in crate::config) currency: Option<String>,
    /// Only accounts of this status: open, frozen or closed
    #[arg(long, value_name = "STATUS")]
    pub(in crate::config) status: Option<String>,
    #[command(flatten)]
    pub(in crate::config) look: LookArgs,
    #[command(flatten)]
    pub(in crate::config) place: PlaceArgs,
    #[command(flatten)]
    pub(in crate::config) log: LogArgs,
}

pub(super) const BALANCE_HELP: &str = "Examples:\n  \
    daybook balance\n  \
    daybook balance customers:alice\n  \
    daybook balance assets: --at 2026-03-31\n  \
    daybook balance --depth 1\n  \
    daybook balance --nonzero --json | jq -r '.[] | [.code, .posted.decimal] | @tsv'\n\n\
    A balance is positive on the side that the table names. POSTED is what entries have moved, PENDING what holds \
    would still move, AVAILABLE what is there and not held. With --depth, accounts whose codes begin with the same \
    parts are added up, by debits less credits.";

#[derive(Args)]
pub(in crate::config) struct BalanceArgs {
    /// Only accounts whose codes begin like this
    #[arg(value_name = "PREFIX")]
    pub(in crate::config) prefix: Option<String>,
    /// Only accounts in this currency
    #[arg(long, value_name = "CODE")]
    pub(in crate::config) currency: Option<String>,
    /// The balances at the end of this day, or at this instant, by the dates of entries; by default with all that is posted
    #[arg(long, value_name = "DATE")]
    pub(in crate::config) at: Option<String>,
    /// Whose day it is, such as Europe/Berlin
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub(in crate::config) time_zone: String,
    /// Add up accounts whose codes have the same first N parts, which colons separate
    #[arg(long, value_name = "N")]
    pub(in crate::config) depth: Option<String>,
    /// Leave out accounts on which there is nothing
    #[arg(long)]
    pub(in crate::config) nonzero: bool,
    #[command(flatten)]
    pub(in crate::config) look: LookArgs,
    #[command(flatten)]
    pub(in crate::config) place: PlaceArgs,
    #[command(flatten)]
    pub(in crate::config) log: LogArgs,
}

pub(super) const STATEMENT_HELP: &str = "Examples:\n  \
    daybook statement assets:cash --last 20\n  \
    daybook statement customers:alice --from 2026-01-01 --until 2026-01-31\n  \
    daybook statement customers:alice --from 2026-01-01 --until 2026-01-31 --format html --output alice.html\n  \
    daybook statement assets:cash --format csv > cash.csv\n\n\
    The statement is that of one moment, however long it is: what is posted while it is written is not in it. The opening balance and the changes add up to the closing balance.";

#[derive(Args)]
pub(in crate::config) struct StatementArgs {
    /// The account's code, or its id (acct_…)
    #[arg(value_name = "ACCOUNT")]
    pub(in crate::config) account: String,
    /// Only lines that count from this day or instant, or a later one
    #[arg(long, value_name = "DATE")]
    pub(in crate::config) from: Option<String>,
    /// Only lines that count by the end of this day, or from before this instant
    #[arg(long, value_name = "DATE")]
    pub(in crate::config) until: Option<String>,
    /// Whose days they are, such as Europe/Berlin
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub(in crate::config) time_zone: String,
    /// Only the last N of these lines
    #[arg(long, value_name = "N")]
    pub(in crate::config) last: Option<String>,
    /// Lines in the order in which they were posted; by default in the order of the dates that they count from
    #[arg(long)]
    pub(in crate::config) posted_order: bool,
    /// Also lines that only set money aside or free it
    #[arg(long)]
    pub(in crate::config) holds: bool,
    /// What to write: table, json, csv, or html for a page to print
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub(in crate::config) format: String,
    /// Where to write it; by default standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::config) output: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::config) look: LookArgs,
    #[command(flatten)]
    pub(in crate::config) place: PlaceArgs,
    #[command(flatten)]
    pub(in crate::config) log: LogArgs,
}

pub(super) const POST_HELP: &str = "Examples:\n  \
    daybook post --debit assets:cash --credit income:sales --amount 12.34 --reference order-17\n  \
    daybook post --debit assets:cash --credit income:sales --amount 10.00 --credit liabilities:vat --amount 1.90 \\\n      \
    --description 'Sale of the day' --date 2026-01-31\n  \
    daybook post --debit expenses:rent --credit assets:bank --amount 800 --currency EUR --dry-run\n\n\
    Each --amount is one line, from its --debit to its --credit in their order; an account that is given once is that \
    of every line. All lines are posted, or none. With --reference, an entry is posted once, for ever: a repeated \
    command prints the entry that is there.";

#[derive(Args)]
pub(in crate::config) struct PostArgs {
    /// The account to debit: its code, or its id (acct_…); once for each line, or once for all
    #[arg(long, required = true, value_name = "ACCOUNT")]
    pub(in crate::config) debit: Vec<String>,
    /// The account to credit; once for each line, or once for all
    #[arg(long, required = true, value_name = "ACCOUNT")]
    pub(in crate::config) credit: Vec<String>,
    /// How much, such as 12.34; once for each line
    #[arg(
        long,
        required = true,
        value_name = "AMOUNT",
        allow_negative_numbers = true
    )]
    pub(in crate::config) amount: Vec<String>,
    /// The currency, once for each line, or once for all; by default that of the account to debit
    #[arg(long, value_name = "CODE")]
    pub(in crate::config) currency: Vec<String>,
    /// A text for people
    #[arg(long, value_name = "TEXT")]
    pub(in crate::config) description: Option<String>,
    /// Your own name for the entry, such as an order's number; no other entry ever has the same
    #[arg(long, value_name = "TEXT")]
    pub(in crate::config) reference: Option<String>,
    /// When it counts from: a date (its first instant in UTC) or an instant; by default now
    #[arg(long, value_name = "DATE")]
    pub(in crate::config) date: Option<String>,
    /// A key of the entry's metadata, and its text; can be given again
    #[arg(long, value_name = "KEY=TEXT")]
    pub(in crate::config) metadata: Vec<String>,
    /// The same command with the same key is executed once within a day; --reference holds for ever
    #[arg(long, value_name = "KEY")]
    pub(in crate::config) idempotency_key: Option<String>,
    /// Show what would be posted, and post nothing
    #[arg(long)]
    pub(in crate::config) dry_run: bool,
    #[command(flatten)]
    pub(in crate::config) look: LookArgs,
    #[command(flatten)]
    pub(in crate::config) place: PlaceArgs,
    #[command(flatten)]
    pub(in crate::config) log: LogArgs,
}
