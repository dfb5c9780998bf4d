//! The stands: a loaded ledger on one engine, the servers on it, and who is compared with whom.

mod mariadb;
mod postgres;
mod sqlite;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{arguments::Arguments, data::Size, http, process::Server};

pub use self::{
    mariadb::MariaDbStand,
    postgres::{PostgresStand, SETTINGS, postmaster},
    sqlite::SqliteStand,
};

/// Where the servers answer.
pub const PATH: &str = "/graphql";

/// The server: the one that was named, or the one beside this program.
pub fn program(arguments: &Arguments) -> Result<PathBuf> {
    Ok(match &arguments.server {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("daybook"),
    })
}

pub fn serve(program: &Path, url: &str, more: &[&str]) -> Result<Server> {
    let mut arguments = vec!["--listen", "127.0.0.1:0", "--database", url];
    if !more.contains(&"--log") {
        arguments.extend(["--log", "error"]);
    }
    arguments.extend(more);
    Server::start(program, &arguments)
}

pub fn migrate(program: &Path, url: &str) -> Result<()> {
    let migrated = std::process::Command::new(program)
        .args(["migrate", "--log", "warn", "--database", url])
        .status()?;
    ensure!(migrated.success(), "the database could not be migrated");
    Ok(())
}

/// Recomputes the ledger, and counts what should be there.
///
/// # Errors
/// When it does not add up.
pub async fn verify(program: &Path, url: &str, size: Size, entries: u64) -> Result<()> {
    // A server of its own, that has the time.
    let server = serve(program, url, &["--deadline", "30m"])?;
    let query =
        "{\"query\":\"{ verifyLedger { ok accounts entries lines differences { message } } }\"}";
    let answer = http::ask(server.address, PATH, query).await?;
    let value: Value = serde_json::from_str(&answer)?;
    let check = &value["data"]["verifyLedger"];
    let (accounts, entries) = (size.accounts.to_string(), entries.to_string());
    ensure!(
        check["ok"] == true
            && check["accounts"] == accounts
            && check["entries"] == entries
            && check["lines"] == entries,
        "the ledger is not what it should be with {accounts} accounts and {entries} entries of one line: {}",
        answer.chars().take(500).collect::<String>()
    );
    Ok(())
}
