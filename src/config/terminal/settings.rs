//! What a command at the terminal is to do, and with which ledger.

use std::{fmt, path::PathBuf, time::Duration};

use axum::http::{HeaderValue, Uri};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use super::value::{Amount, When};
use crate::config::{DatabaseUrl, LogSettings};

/// The settings of `accounts`, `balance`, `statement` and `post`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TerminalSettings {
    /// Which ledger.
    pub place: Place,
    /// How long each question may take.
    pub timeout: Duration,
    /// Whether to write JSON.
    pub json: bool,
    /// Whether to use colours; `None` is on a terminal that does not ask for none.
    pub color: Option<bool>,
    /// What to do.
    pub task: Task,
    /// What to log.
    pub log: LogSettings,
}

/// Where the ledger is.
#[derive(Debug, Clone)]
pub enum Place {
    /// Behind a server.
    Server(ServerPlace),
    /// In a database that is opened here.
    Database(DatabaseUrl),
}

/// A server, and how to be let in.
#[derive(Debug, Clone)]
pub struct ServerPlace {
    /// The URL of its API.
    pub url: Uri,
    /// The header `Authorization`.
    pub authorization: Option<Secret>,
    /// The file that it was read from.
    pub token_file: Option<PathBuf>,
}

/// A header that is not shown.
#[derive(Clone)]
pub struct Secret(pub HeaderValue);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Task {
    /// List accounts.
    Accounts(AccountsTask),
    /// Show balances.
    Balance(BalanceTask),
    /// Show the lines of an account.
    Statement(StatementTask),
    /// Post an entry.
    Post(PostTask),
}

/// Which accounts to list.
#[derive(Debug, Clone)]
pub struct AccountsTask {
    /// How their codes begin.
    pub prefix: Option<String>,
    /// Their class, as the API writes it.
    pub class: Option<&'static str>,
    /// Their currency.
    pub currency: Option<String>,
    /// Their status, as the API writes it.
    pub status: Option<&'static str>,
}

/// Which balances to show.
#[derive(Debug, Clone)]
pub struct BalanceTask {
    /// How the codes begin.
    pub prefix: Option<String>,
    /// The currency.
    pub currency: Option<String>,
    /// When; `None` is with all that is posted.
    pub at: Option<When>,
    /// Whose days.
    pub time_zone: Tz,
    /// How many parts of the codes make a group; `None` is each account by itself.
    pub depth: Option<u32>,
    /// Whether to leave out what is zero.
    pub nonzero: bool,
}

/// Which statement to write.
#[derive(Debug, Clone)]
pub struct StatementTask {
    /// The account.
    pub account: AccountName,
    /// The first day, or the first instant.
    pub from: Option<When>,
    /// The last day, or the first instant that is no longer in it.
    pub until: Option<When>,
    /// Whose days.
    pub time_zone: Tz,
    /// At most so many lines, the last ones.
    pub last: Option<u32>,
    /// Whether lines are in the order in which they were posted, and not in that of the dates that they count from.
    pub posted_order: bool,
    /// Whether lines are in it that move nothing.
    pub holds: bool,
    /// How it is written.
    pub format: StatementFormat,
    /// Where to write it; `None` is standard output.
    pub output: Option<PathBuf>,
}

/// How a statement is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementFormat {
    /// A table for people.
    Table,
    /// One JSON object.
    Json,
    /// Comma-separated values.
    Csv,
    /// A page to print.
    Html,
}

/// What to post.
#[derive(Debug, Clone)]
pub struct PostTask {
    /// The lines; at least one.
    pub lines: Vec<PostLine>,
    /// A text for people.
    pub description: Option<String>,
    /// The caller's own name for the entry.
    pub reference: Option<String>,
    /// When it counts from; `None` is now.
    pub date: Option<When>,
    /// Metadata.
    pub metadata: Map<String, Json>,
    /// The key by which a repeated command is known.
    pub idempotency_key: Option<String>,
    /// Whether nothing is to be posted.
    pub dry_run: bool,
}

/// One line of an entry.
#[derive(Debug, Clone)]
pub struct PostLine {
    /// The account to debit.
    pub debit: AccountName,
    /// The account to credit.
    pub credit: AccountName,
    /// How much.
    pub amount: Amount,
    /// The currency; `None` is that of the account to debit.
    pub currency: Option<String>,
}

/// An account as people name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AccountName {
    /// Its code.
    Code(String),
    /// Its id.
    Id(String),
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Code(text) | Self::Id(text)) = self;
        f.write_str(text)
    }
}
