//! PostgreSQL's disks are full in truth: the one of its tables, and the one of its log, which ends the server.

use std::sync::Arc;

use daybook_test_harness::{
    TestDatabase, eventually,
    postgres::{PostgresServer, SmallDisk},
};
use serde_json::{Value as Json, json};

use super::server::{POST, Server};

const COUNT: &str = "SELECT count(*) FROM entry";

async fn on_small_disks() -> Option<(Arc<PostgresServer>, TestDatabase)> {
    // No segment of the log is used again, so each needs room of its own.
    let settings = [
        ("max_wal_size", "1GB"),
        ("checkpoint_timeout", "1h"),
        ("autovacuum", "off"),
    ];
    let start = move || PostgresServer::start_on_small_disks(&settings);
    let Some(postgres) = tokio::task::spawn_blocking(start).await.unwrap() else {
        eprintln!(
            "skipped: this machine does not let the test mount a small disk (it needs root, and `unshare --mount`)"
        );
        return None;
    };
    let postgres = Arc::new(postgres);
    let test = TestDatabase::create_on(Arc::clone(&postgres)).await;
    Some((postgres, test))
}

/// Posts until an answer is an error.
async fn first_error(server: &Server, characters: usize) -> String {
    for _ in 0..5000 {
        match server.post(characters).await.unwrap() {
            code if code.is_empty() => {}
            code => return code,
        }
    }
    panic!("the disk does not fill up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_for_tables_is_told_and_recovered_from() {
    let Some((postgres, test)) = on_small_disks().await else {
        return;
    };
    let server = Server::start(test.url());
    server.open_accounts().await;
    server.post_many(5).await;
    postgres.fill(SmallDisk::Data);
    assert_eq!(first_error(&server, 1000).await, "DATABASE_FULL");
    let (status, reason) = server.ready().await;
    assert_eq!(status, 503);
    assert!(reason.contains("no room"), "{reason}");
    // Statuses tell it too, where the client lets them.
    let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "1", "currency": "EUR" });
    let input = json!({ "lines": [line], "metadata": { "note": "x".repeat(1000) } });
    let answer = server.answer(POST, json!({ "input": input })).await;
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Json = answer.json().await.unwrap();
    assert_eq!(
        body["errors"][0]["extensions"]["code"], "DATABASE_FULL",
        "{body}"
    );
    assert_eq!(body["errors"][0]["extensions"]["retryable"], true);
    // What is there can be read.
    assert_eq!(server.read().await.as_deref(), Some(""));
    postgres.free(SmallDisk::Data);
    server.post_many(5).await;
    eventually("it is ready", async || server.ready().await.0 == 200).await;
    let acknowledged = server.acknowledged();
    drop(server);
    assert_eq!(test.observer().await.i64(COUNT).await, acknowledged);
}

/// A server whose log cannot be written ends itself, most often in the middle of a COMMIT, and cannot start again before there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_for_the_log_loses_no_entry() {
    let Some((postgres, test)) = on_small_disks().await else {
        return;
    };
    let server = Server::start(test.url());
    server.open_accounts().await;
    server.post_many(5).await;
    postgres.fill(SmallDisk::Log);
    let mut codes = vec![first_error(&server, 1500).await];
    for _ in 0..3 {
        codes.push(server.post(10).await.unwrap());
    }
    for code in &codes {
        let expected = [
            "DATABASE_FULL",
            "DATABASE_UNAVAILABLE",
            "OUTCOME_UNKNOWN",
            "COMMIT_FAILED",
        ];
        assert!(expected.contains(&code.as_str()), "{codes:?}");
    }
    // A server that ends itself in the middle of COMMIT has refused nothing: what it has written by then counts when it is back.
    assert_eq!(server.logged("COMMIT was refused"), 0, "{codes:?}");
    assert_eq!(server.ready().await.0, 503, "{codes:?}");
    postgres.free(SmallDisk::Log);
    postgres.start_again();
    eventually("it is ready", async || server.ready().await.0 == 200).await;
    server.post_many(5).await;
    let unknown = codes
        .iter()
        .filter(|code| *code == "OUTCOME_UNKNOWN")
        .count();
    let acknowledged = server.acknowledged();
    drop(server);
    let found = test.observer().await.i64(COUNT).await;
    let most = acknowledged + i64::try_from(unknown).unwrap();
    assert!(
        (acknowledged..=most).contains(&found),
        "{found} of {acknowledged}, {codes:?}"
    );
}
