//! A database that lacks triggers of its migrations is not served.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

use daybook::{config::DatabaseUrl, database};
use daybook_migration::guards;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::DbBackend;
use unit_of_work::DatabaseOptions;

use super::{server::Ledger, verify::verify};

/// Starts the server, which has to refuse. A server that does not refuse ends all the same: its port is taken.
fn start(database: &str, more: &[&str]) -> Output {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command
        .args(["serve", "--log", "off", "--listen", &address])
        .args(["--database", database])
        .args(more)
        .output()
        .unwrap()
}

/// Asserts that a database is refused at the start, by `daybook verify` and by `/readyz`, each time with these words.
pub(super) async fn assert_refused(url: &str, words: &str) {
    let url_as_given = url.to_owned();
    let outputs = tokio::task::spawn_blocking(move || {
        let url = url_as_given;
        [
            start(&url, &[]),
            start(&url, &["--no-migrate"]),
            verify(&url),
        ]
    });
    for output in outputs.await.unwrap() {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{said}");
    }
    let url = DatabaseUrl::parse(url).unwrap();
    let database = database::connect(&url, DatabaseOptions::default())
        .await
        .unwrap();
    let said = database::readiness(&database)().await.unwrap_err();
    assert!(said.contains(words), "{said}");
    database.close().await;
}

on_every_engine! {
    async fn a_database_without_one_of_its_triggers_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let (status, _) = ledger.get("/readyz").await;
        assert_eq!(status, 200);

        let (engine, remove) = match ledger.test.engine() {
            Engine::Sqlite => (DbBackend::Sqlite, "DROP TRIGGER entry_line_to_outbox"),
            Engine::MariaDb => (DbBackend::MySql, "DROP TRIGGER entry_line_to_outbox"),
            // What `pg_restore --disable-triggers` leaves when it fails half way.
            Engine::Postgres => (DbBackend::Postgres, "ALTER TABLE entry_line DISABLE TRIGGER entry_line_to_outbox"),
        };
        ledger.observer().await.execute(remove).await;
        let words = format!(
            "lacks 1 of the {} triggers and functions that its migrations made (the trigger entry_line_to_outbox of entry_line)",
            guards(engine).len()
        );
        let (status, said) = ledger.get("/readyz").await;
        assert_eq!(status, 503);
        assert!(said.contains(&words), "{said}");
        assert_refused(ledger.test.url(), &words).await;
    }
}
