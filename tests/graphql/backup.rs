//! Backups, taken and restored as `docs/operating.md` says, and a copy that is not a backup.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use daybook_test_harness::{Engine, TestDatabase, on_every_engine, postgres::programs};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use super::{server::Ledger, verify::verify};

const WRITERS: i64 = 4;

on_every_engine! {
    async fn a_backup_that_is_taken_under_load_is_whole(test: TestDatabase) {
        let ledger = Arc::new(Ledger::with_accounts(test).await);
        let (count, mut acknowledged) = watch::channel(0_i64);
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (ledger, count) = (Arc::clone(&ledger), count.clone());
            writers.spawn(async move {
                loop {
                    ledger.post("cash", "alice", 1).await;
                    count.send_modify(|count| *count += 1);
                }
            });
        }
        acknowledged.wait_for(|count| *count >= 20).await.unwrap();

        let before = *acknowledged.borrow();
        let restored = TestDatabase::create(ledger.test.engine()).await;
        back_up(&ledger.test, &restored).await;
        let after = *acknowledged.borrow();
        // Nobody stopped writing meanwhile.
        acknowledged.wait_for(|count| *count > after).await.unwrap();
        writers.shutdown().await;

        let entries = restored.observer().await.i64("SELECT COUNT(*) FROM entry").await;
        // One entry of each writer may be committed and not acknowledged yet.
        assert!((before..=after + WRITERS).contains(&entries), "{before} <= {entries} <= {after}");
        let verified = verify(restored.url());
        assert_eq!(verified.status.code(), Some(0), "{verified:?}");
        assert_eq!(String::from_utf8_lossy(&verified.stdout), format!("checked 2 accounts, {entries} entries and {entries} lines\n"));

        // A server goes on with it, and so do its subscribers.
        let ledger = Ledger::serve(restored).await;
        ledger.post("cash", "alice", 1).await;
        assert_eq!(ledger.balance("alice").await, entries + 1);
        let mut feed = ledger.subscribe("subscription { entryPosted(after: \"0\") { cursor } }", json!({})).await;
        let mut last = 0;
        for _ in 0..=entries {
            let event = feed.event().await;
            let cursor: i64 = event["data"]["entryPosted"]["cursor"].as_str().unwrap().parse().unwrap();
            assert!(cursor > last, "{event} after {last}");
            last = cursor;
        }
        // History is read by the database's functions, on MariaDB.
        let query = "{ account(by: { code: \"alice\" }) { statement(last: 1, orderBy: EFFECTIVE_AT) { totalCount edges { node { balanceAfter { amount } } } } } }";
        let statement = ledger.data(query, json!({})).await["account"]["statement"].take();
        assert_eq!(statement["totalCount"], entries + 1, "{statement}");
        assert_eq!(statement["edges"][0]["node"]["balanceAfter"]["amount"], (entries + 1).to_string(), "{statement}");
    }
}

/// Acknowledged entries are in the write-ahead log until SQLite moves them into the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_file_without_its_log_is_no_backup() {
    let ledger = Ledger::with_accounts(TestDatabase::create(Engine::Sqlite).await).await;
    ledger.post("cash", "alice", 5).await;
    let copy = TestDatabase::create(Engine::Sqlite).await;
    std::fs::copy(file(&ledger.test), file(&copy)).unwrap();
    let verified = verify(copy.url());
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(!said.contains("1 entries"), "{verified:?}");
    assert_eq!(ledger.count("entry").await, 1);
}

/// The options of `mariadb-dump` in `docs/operating.md`.
pub(super) const DUMP: [&str; 4] = [
    "--single-transaction",
    "--routines",
    "--hex-blob",
    "--skip-add-locks",
];

/// Dumps a database of MariaDB and restores it, each as the user whom the URL names.
pub(super) async fn dump_and_restore(from: &str, to: &str, options: &'static [&'static str]) {
    let place = |url: &str| {
        let url = reqwest::Url::parse(url).unwrap();
        let option = |name: &str, value: String| format!("--{name}={value}");
        [
            option("host", url.host_str().unwrap().to_owned()),
            option("port", url.port().unwrap().to_string()),
            option("user", url.username().to_owned()),
            url.path().trim_start_matches('/').to_owned(),
        ]
    };
    let (from, to) = (place(from), place(to));
    let commands = move || {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("daybook.sql");
        let mut take = Command::new("mariadb-dump");
        let take = take.arg("--no-defaults").args(options).args(from);
        run(take.stdout(std::fs::File::create(&dump).unwrap()));
        let mut restore = Command::new("mariadb");
        let restore = restore.arg("--no-defaults").args(to);
        run(restore.stdin(std::fs::File::open(&dump).unwrap()));
    };
    tokio::task::spawn_blocking(commands).await.unwrap();
}

/// Takes a backup and restores it into an empty database.
async fn back_up(from: &TestDatabase, to: &TestDatabase) {
    match from.engine() {
        Engine::MariaDb => {
            dump_and_restore(from.url(), to.url(), &DUMP).await;
        }
        Engine::Sqlite => {
            let into = format!("VACUUM INTO '{}'", file(to).display());
            from.observer().await.execute(&into).await;
        }
        Engine::Postgres => {
            let folder = tempfile::tempdir().unwrap();
            let dump = folder.path().join("daybook.dump");
            let (from, to) = (from.url().to_owned(), to.url().to_owned());
            let commands = move || {
                let output = ["--format=custom", "--file"];
                run(program("pg_dump").args(output).arg(&dump).arg(from));
                let strict = ["--exit-on-error", "--no-owner", "--dbname"];
                run(program("pg_restore").args(strict).arg(to).arg(&dump));
            };
            tokio::task::spawn_blocking(commands).await.unwrap();
        }
    }
}

/// The file of an SQLite database.
fn file(database: &TestDatabase) -> PathBuf {
    let url = database.url().strip_prefix("sqlite://").unwrap();
    Path::new(url.split_once('?').unwrap().0).to_owned()
}

/// A client program of PostgreSQL: beside the server's, or where the shell finds it.
fn program(name: &str) -> Command {
    let beside = programs().map(|folder| folder.join(name));
    Command::new(beside.filter(|path| path.is_file()).unwrap_or(name.into()))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
