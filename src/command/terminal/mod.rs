//! The commands for people at a terminal: `accounts`, `balance`, `statement` and `post`.
//!
//! Read `client` first: each command asks the public GraphQL API, of a server or of the same service in this process. Then one file is one
//! command; `list`, `table`, `text`, `paint` and `money` are how answers look, `failure` is how a refusal looks and what its exit code is.
//!
//! What never goes here: SQL, and rules of the ledger. Whatever is refused is refused by the ledger.

mod accounts;
mod balance;
mod client;
mod failure;
mod list;
mod money;
mod output;
mod paint;
mod post;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use self::{
    client::{Client, Use},
    failure::Failure,
    output::Output,
    paint::Paint,
};
use crate::{
    config::{AccountName, Task, TerminalSettings},
    ledger::Clock,
};

/// Does what is asked, prints the answer or why there is none, and returns the exit code. `clock` dates what is to be printed on paper.
pub async fn terminal(settings: TerminalSettings, clock: Clock) -> ExitCode {
    let paint = Paint::on(io::stderr().is_terminal(), settings.color);
    match run(&settings, &clock).await {
        Ok(note) => {
            if let Some(note) = note {
                tell(&format!("daybook: {note}\n"));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            tell(&failure.text(settings.json, paint));
            failure.exit_code()
        }
    }
}

/// Standard error may be closed. Then there is nowhere to write to.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Returns what else is to be said about a success.
async fn run(settings: &TerminalSettings, clock: &Clock) -> Result<Option<String>, Failure> {
    let to = match &settings.task {
        Task::Post(_) => Use::Write,
        _ => Use::Read,
    };
    let client = Client::open(settings, to).await?;
    let outcome = ask(settings, &client, clock).await;
    client.close().await;
    outcome
}

async fn ask(
    settings: &TerminalSettings,
    client: &Client,
    clock: &Clock,
) -> Result<Option<String>, Failure> {
    let file = match &settings.task {
        Task::Statement(task) => task.output.as_deref(),
        _ => None,
    };
    let mut out = Output::to(file)?;
    let (json, paint) = (settings.json, out.paint(settings.color));
    let is_any = match &settings.task {
        Task::Accounts(task) => accounts::run(client, task, &mut out, json, paint).await?,
        Task::Balance(task) => balance::run(client, task, &mut out, json, paint).await?,
        Task::Statement(task) => {
            statement::run(client, task, &mut out, paint, clock.now()).await?;
            true
        }
        Task::Post(task) => {
            post::run(client, task, &mut out, json, paint).await?;
            true
        }
    };
    out.keep()?;
    // No output would look like a command that has not worked.
    let note = "there is no such account (`daybook accounts` lists all)";
    Ok((!is_any && !json).then(|| note.to_owned()))
}

/// The refusal of an account that there is not, in the place of the ledger, which answers such a question with null.
fn no_account(account: &AccountName) -> Failure {
    let problem =
        format!("there is no account `{account}`: `daybook accounts` lists those that there are");
    Failure::refused("ACCOUNT_NOT_FOUND", problem)
}
