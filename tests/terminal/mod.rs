//! The commands for people at a terminal: the real binary, against the real server and against the database itself.

mod between;
mod help;
mod listing;
mod papers;
mod places;
mod posting;
mod statements;
mod unanswered;

use std::process::{Command, Stdio};

use daybook_test_harness::TestDatabase;
use serde_json::Value as Json;

use crate::{
    http::binary::Running,
    ledger::book::{Book, line, new_account, new_entry},
};
use daybook::ledger::OpenAccount;
use daybook_entity::{AccountClass, LimitPolicy, Side};

/// What became of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// What was printed, of a command that has worked and had nothing else to say.
    #[track_caller]
    fn printed(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    #[track_caller]
    fn json(self) -> Json {
        let text = self.printed();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What was said by a command that has ended with this exit code, and printed nothing.
    #[track_caller]
    fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:?}");
        self.err
    }
}

/// A command with no settings but these.
fn command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DAYBOOK_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR");
    command
        .args(args)
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end. Not on a thread of the runtime, which may have what the command asks.
async fn ask_with(args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = command(args, variables);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn ask(args: &[&str]) -> Ran {
    ask_with(args, &[]).await
}

/// A ledger in a database, and a server of it.
struct Ledger {
    book: Book,
    url: String,
    server: Running,
}

impl Ledger {
    /// A small one, with a little of everything.
    ///
    /// | account | side | posted | set aside |
    /// |---|---|---|---|
    /// | `assets:cash` | debit | 112.34 | |
    /// | `assets:現金` | debit | 1500 yen | |
    /// | `customers:zoë` | credit | 100.00 | 30.00 |
    /// | `income:sales` | credit | 12.34 | |
    async fn small(test: TestDatabase) -> Self {
        let ledger = Self::of(test, async |book| {
            let accounts = [
                ("assets:cash", "EUR", Side::Debit, Some(AccountClass::Asset)),
                ("assets:現金", "JPY", Side::Debit, Some(AccountClass::Asset)),
                ("customers:zoë", "EUR", Side::Credit, None),
                ("equity", "JPY", Side::Credit, Some(AccountClass::Equity)),
                (
                    "income:sales",
                    "EUR",
                    Side::Credit,
                    Some(AccountClass::Income),
                ),
            ];
            for (code, currency, normal_side, class) in accounts {
                let limit_policy = match code {
                    "customers:zoë" => LimitPolicy::NoDebitOverdraft,
                    _ => LimitPolicy::None,
                };
                book.open(OpenAccount {
                    name: format!("“{code}”"),
                    currency: currency.to_owned(),
                    normal_side,
                    class,
                    limit_policy,
                    ..new_account(code)
                })
                .await
                .unwrap();
            }
        })
        .await;
        for lines in [
            vec![
                line("assets:cash", "income:sales", 1234),
                line("assets:cash", "customers:zoë", 10_000),
            ],
            vec![daybook::ledger::NewLine {
                currency: "JPY".to_owned(),
                ..line("assets:現金", "equity", 1500)
            }],
        ] {
            ledger.book.post(new_entry(lines)).await.unwrap();
        }
        let lines = vec![line("customers:zoë", "assets:cash", 3000)];
        let hold = crate::ledger::book::new_hold(lines);
        ledger.book.hold(hold).await.unwrap();
        ledger
    }

    /// One that is filled like this.
    async fn of(test: TestDatabase, fill: impl AsyncFnOnce(&Book)) -> Self {
        let url = test.url().to_owned();
        let book = Book::new(test).await;
        fill(&book).await;
        let server = serve(&url, &[]);
        Self { book, url, server }
    }

    /// The two ways to it.
    fn places(&self) -> [[&str; 2]; 2] {
        [["--database", &self.url], ["--server", self.server.base()]]
    }

    /// Runs a command on the database, and on the server, and expects the same of both.
    async fn both(&self, args: &[&str]) -> Ran {
        let [database, server] = self.places().map(|place| [args, &place].concat());
        let (database, server) = (ask(&database).await, ask(&server).await);
        assert_eq!(database, server, "{args:?}");
        server
    }

    /// How many entries and lines there are.
    async fn counts(&self) -> (i64, i64) {
        let observer = self.observer().await;
        (
            observer.i64("SELECT COUNT(*) FROM entry").await,
            observer.i64("SELECT COUNT(*) FROM entry_line").await,
        )
    }

    async fn observer(&self) -> daybook_test_harness::Observer {
        daybook_test_harness::Observer::connect(self.book.engine, &self.url).await
    }
}

fn serve(database: &str, more: &[&str]) -> Running {
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--no-playground",
        "--database",
        database,
    ];
    Running::start(&[&args, more].concat())
}

fn texts<'a>(items: &'a Json, member: &str) -> Vec<&'a str> {
    let items = items.as_array().unwrap().iter();
    items.map(|item| item[member].as_str().unwrap()).collect()
}
