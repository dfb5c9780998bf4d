//! Starts on what is not as it should be.

use std::fs;

use daybook_test_harness::{Engine, Observer, TestDatabase, on_every_engine};
use serde_json::{Value as Json, json};

use super::server::{POST, Place, Server, entries};

on_every_engine! {
    /// Nothing can be told of a database whose tables cannot be read: with `--no-migrate` too, nothing is written to it.
    async fn a_database_that_cannot_be_asked_is_not_served(test: TestDatabase) {
        drop(Server::start(test.url()));
        let observer = test.observer().await;
        observer.execute("ALTER TABLE entry RENAME COLUMN recorded_at TO other").await;
        let said = Server::try_start_in("", test.url(), &["--no-migrate"]).err().expect("it starts");
        assert!(said.contains("cannot be asked when its latest entry was recorded"), "{said}");
        observer.execute("ALTER TABLE entry RENAME COLUMN other TO recorded_at").await;
        // SQLite takes the name of a column that is not there for a text.
        let spoil = match test.engine() {
            Engine::MariaDb | Engine::Postgres => "ALTER TABLE seaql_migrations RENAME COLUMN version TO other",
            Engine::Sqlite => "UPDATE seaql_migrations SET version = x'ff' WHERE version = (SELECT min(version) FROM seaql_migrations)",
        };
        observer.execute(spoil).await;
        let said = Server::try_start_in("", test.url(), &["--no-migrate"]).err().expect("it starts");
        assert!(said.contains("cannot be asked which version it belongs to"), "{said}");
    }

    async fn an_empty_database_is_not_ready_until_it_is_migrated(test: TestDatabase) {
        let server = Server::start_in("", test.url(), &["--no-migrate"]);
        let (status, reason) = server.ready().await;
        assert_eq!(status, 503);
        assert!(reason.contains("no tables yet"), "{reason}");
        assert_eq!(server.logged("has no tables yet, and --no-migrate is given"), 1);
        drop(Server::start(test.url()));
        assert_eq!(server.ready().await.0, 200);
        server.open_accounts().await;
        server.post_many(1).await;
    }

    /// The clock was set back while the server was down: `recordedAt` does not run backwards, and the log says why it stands.
    async fn a_clock_that_was_set_back(test: TestDatabase) {
        let server = Server::start(test.url());
        server.open_accounts().await;
        drop(server);
        // As if it had been recorded while the clock was an hour ahead.
        let ahead = chrono::DateTime::from_timestamp(
            i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap() + 3600,
            0,
        )
        .unwrap();
        let at = match test.engine() {
            Engine::MariaDb => ahead.format("%Y-%m-%d %H:%M:%S"),
            Engine::Sqlite | Engine::Postgres => ahead.format("%Y-%m-%dT%H:%M:%S+00:00"),
        };
        let id = match test.engine() {
            Engine::MariaDb | Engine::Sqlite => "x'000000000000000000000000ffff0000'",
            Engine::Postgres => "'00000000-0000-0000-0000-0000ffff0000'",
        };
        let insert = format!(
            "INSERT INTO entry (id, kind, effective_at, recorded_at, metadata) VALUES ({id}, 'POST', '{at}', '{at}', '{{}}')"
        );
        test.observer().await.execute(&insert).await;
        let server = Server::start(test.url());
        let mut last = ahead;
        for _ in 0..3 {
            let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "1", "currency": "EUR" });
            let answer = server.send(POST, json!({ "input": { "lines": [line] } })).await.unwrap();
            let recorded: chrono::DateTime<chrono::Utc> =
                answer["data"]["postEntry"]["entry"]["recordedAt"].as_str().unwrap().parse().unwrap();
            assert!(recorded >= last, "{recorded} is before {last}");
            last = recorded;
        }
        assert_eq!(server.logged("the clock was set back, or was wrong then"), 1);
        let again = server.send("{ __typename }", Json::Null).await.unwrap();
        assert_eq!(again["data"]["__typename"], "Query");
    }
}

/// The file without its log is an older database: what is whole of it is served, and what lay in the log is not there. Nothing in
/// the file says that there was one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_without_its_log_is_an_older_ledger() {
    let place = Place::new();
    let mut server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(2).await;
    let url = format!("sqlite://{}", place.path.display());
    let observer = Observer::connect(Engine::Sqlite, &url).await;
    observer.execute("PRAGMA wal_checkpoint(PASSIVE)").await;
    drop(observer);
    server.post_many(3).await;
    server.kill();
    let copy = Place::new();
    fs::copy(&place.path, &copy.path).unwrap();
    assert_eq!(entries(&copy.path).await, 2);
    let server = Server::start(&copy.url());
    server.post_many(1).await;
    drop(server);
    assert_eq!(entries(&copy.path).await, 3);
    assert_eq!(entries(&place.path).await, 5);
}
