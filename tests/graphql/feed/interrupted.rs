//! Events whose read fails: they are read again, or the stream ends and says where to resume.

use std::time::Duration;

use daybook_test_harness::{Engine, TestDatabase};
use serde_json::{Value, json};
use unit_of_work::DatabaseOptions;

use super::{FEED, behind, event, events};
use crate::graphql::server::Ledger;

/// The read of an entry for an event.
fn reads_an_entry(sql: &str) -> bool {
    sql.contains("FROM \"entry\" WHERE")
}

/// The read of an event loses its connection: the client does not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_read_is_lost_is_read_again() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let ledger = behind(&proxy, test, DatabaseOptions::default()).await;
    let mut feed = ledger.subscribe(FEED, json!({ "after": "0" })).await;
    let mut last = 0;
    for _ in 0..3 {
        let read = proxy.hold(reads_an_entry);
        let posted = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        read.reached().await;
        // It is lost again when it is read for the second time.
        let again = proxy.hold(reads_an_entry);
        read.cut();
        again.reached().await;
        again.cut();
        let (cursor, id) = event(&feed.event().await);
        assert_eq!(json!(id), posted);
        assert!(cursor > last);
        last = cursor;
    }
}

/// An event that cannot be read within the deadline ends the stream, which says where to resume; over both transports. Who resumes
/// there gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_not_delivered_ends_the_stream() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let mut options = DatabaseOptions::default();
    // The deadline of operations too.
    options.statement_timeout = Duration::from_secs(2);
    let ledger = behind(&proxy, test, options).await;
    let mut feed = ledger.subscribe(FEED, json!({ "after": "0" })).await;
    ledger.post("cash", "alice", 1).await;
    let (delivered, _) = event(&feed.event().await);

    let is_interrupted = |payload: &Value| {
        assert_eq!(payload["data"], Value::Null, "{payload}");
        let extensions = &payload["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "FEED_INTERRUPTED", "{payload}");
        // The deadline, or the loss of the silent connection, whichever is noticed first.
        assert!(extensions["cause"].is_string(), "{payload}");
        assert_eq!(extensions["retryable"], true, "{payload}");
        assert_eq!(
            extensions["resumeAfter"],
            delivered.to_string(),
            "{payload}"
        );
        assert_eq!(
            extensions["undelivered"],
            (delivered + 1).to_string(),
            "{payload}"
        );
    };
    let stuck = proxy.hold(reads_an_entry);
    let second = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
    stuck.reached().await;
    let third = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
    is_interrupted(&feed.event().await);
    assert_eq!(feed.message().await["type"], "complete");
    stuck.release();

    let stuck = proxy.hold(reads_an_entry);
    let body = json!({ "query": FEED, "variables": { "after": delivered.to_string() } });
    let sent = ledger
        .request(&body)
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let text = sent.text().await.unwrap();
    stuck.release();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut lines = lines.filter(|data| !data.is_empty());
    is_interrupted(&serde_json::from_str(lines.next().unwrap()).unwrap());
    assert_eq!(lines.next(), None, "{text}");
    assert!(text.contains("event: complete"), "{text}");

    let mut resumed = ledger
        .subscribe(FEED, json!({ "after": delivered.to_string() }))
        .await;
    let heard: Vec<_> = events(&mut resumed, 2)
        .await
        .into_iter()
        .map(|(_, id)| json!(id))
        .collect();
    assert_eq!(heard, [second, third]);
}

/// A database that has lost what was announced: nobody is told anything that could be taken for the continuation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_went_back_ends_the_stream() {
    let ledger = Ledger::with_accounts(TestDatabase::create(Engine::Postgres).await).await;
    let mut feed = ledger.subscribe(FEED, json!({ "after": "0" })).await;
    for _ in 0..3 {
        ledger.post("cash", "alice", 1).await;
    }
    events(&mut feed, 3).await;
    let observer = ledger.observer().await;
    observer.execute("ALTER TABLE outbox DISABLE TRIGGER ALL; DELETE FROM outbox WHERE seq > 3; ALTER SEQUENCE outbox_seq_seq RESTART WITH 4").await;
    ledger.post("cash", "alice", 1).await;
    ledger.post("cash", "alice", 1).await;
    let told = feed.event().await;
    assert_eq!(
        told["errors"][0]["extensions"]["code"], "FEED_HISTORY_LOST",
        "{told}"
    );
    assert_eq!(feed.message().await["type"], "complete");
    // A cursor that it has not reached (any more) is refused, and not waited for.
    let refused = ledger
        .subscribe(FEED, json!({ "after": "9" }))
        .await
        .message()
        .await;
    assert!(refused.to_string().contains("BAD_USER_INPUT"), "{refused}");
    let mut anew = ledger.subscribe(FEED, json!({ "after": "3" })).await;
    assert_eq!(
        events(&mut anew, 2).await.last().map(|(cursor, _)| *cursor),
        Some(5)
    );
}
