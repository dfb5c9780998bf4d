//! The order of events, in whatever order transactions commit.

use std::sync::Arc;

use daybook_test_harness::{
    Engine, Observer, TestDatabase, WireProxy, eventually, on_every_engine,
    postgres::PostgresServer,
};
use serde_json::{Value, json};
use unit_of_work::DatabaseOptions;

use super::{FEED, behind, event, events};
use crate::graphql::server::{Ledger, POST, line};

/// Locks an account's row until the observer commits.
async fn lock(observer: &Observer, code: &str) {
    let sql = format!("BEGIN; SELECT id FROM account WHERE code = '{code}' FOR UPDATE");
    observer.execute(&sql).await;
}

/// Waits until this many transactions wait for a lock.
async fn waiting(observer: &Observer, count: i64) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually("they wait for a lock", async || {
        observer.i64(waiting).await == count
    })
    .await;
}

/// The next number of the outbox.
const NEXT: &str = "SELECT CAST(CASE WHEN is_called THEN last_value + 1 ELSE last_value END AS bigint) FROM outbox_seq_seq";

/// A begins, and waits for a lock. B begins, draws number k, and waits for another lock. A draws k + 1 and commits. So the largest
/// transaction id that has completed is A's, which is smaller than B's: nothing but B's own end tells that k is still to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_number_of_a_younger_transaction_is_not_lost() {
    // A server of its own: the ids of other tests' transactions would hide the mistake.
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .unwrap();
    let proxy = WireProxy::start(server.url()).await;
    let test = TestDatabase::create(Engine::Sqlite).await;
    let ledger = behind(&proxy, test, DatabaseOptions::default()).await;
    for code in ["a", "a2", "b", "b2", "c", "c2"] {
        ledger.open(code, "EUR", "DEBIT", "NONE").await;
    }
    let mut all = ledger.subscribe(FEED, json!({ "after": "0" })).await;
    ledger.post("cash", "alice", 1).await;
    let (first, _) = event(&all.event().await);
    let mut live = ledger
        .subscribe(FEED, json!({ "after": first.to_string() }))
        .await;

    let observe = async || Observer::connect(Engine::Postgres, server.url()).await;
    let (observer, holds_a, holds_c) = (observe().await, observe().await, observe().await);
    lock(&holds_a, "a").await;
    let k = observer.i64(NEXT).await;
    let of_a = json!({ "input": { "lines": [line("a", "a2", 1, "EUR")] } });
    let of_b = "mutation($a: PostEntryInput!, $b: PostEntryInput!) { first: postEntry(input: $a) { entry { id } } second: postEntry(input: $b) { entry { id } } }";
    let of_b = json!({ "query": of_b, "variables": { "a": { "lines": [line("b", "b2", 1, "EUR")] }, "b": { "lines": [line("c", "c2", 1, "EUR")] } } });
    let (a, b) = (
        ledger.request(&json!({ "query": POST, "variables": of_a })),
        ledger.request(&of_b),
    );
    let a = tokio::spawn(async { a.send().await.unwrap().json::<Value>().await.unwrap() });
    waiting(&observer, 1).await;
    // Only now, for this one's transaction id must be larger than A's as well.
    lock(&holds_c, "c").await;
    let b = tokio::spawn(async { b.send().await.unwrap().json::<Value>().await.unwrap() });
    waiting(&observer, 2).await;
    assert_eq!(observer.i64(NEXT).await, k + 1, "B has drawn a number");
    holds_a.execute("COMMIT").await;
    let a = a.await.unwrap()["data"]["postEntry"]["entry"]["id"].take();
    // The server looks, and finds A's number. Whatever it tells of that is checked below.
    proxy.clear_log();
    let looks = || {
        proxy
            .log()
            .iter()
            .filter(|sql| sql.contains("FROM outbox"))
            .count()
    };
    eventually("the outbox is looked at", async || looks() >= 3).await;
    holds_c.execute("COMMIT").await;
    let mut b = b.await.unwrap();
    let expected = [
        (k, b["data"]["first"]["entry"]["id"].take()),
        (k + 1, a),
        (k + 2, b["data"]["second"]["entry"]["id"].take()),
    ];
    for subscription in [&mut live, &mut all] {
        let heard: Vec<_> = events(subscription, 3)
            .await
            .into_iter()
            .map(|(seq, id)| (seq, json!(id)))
            .collect();
        assert_eq!(heard, expected);
    }
}

/// Nothing is missed that is committed after a subscription "from now on" has begun, also where a larger number was visible
/// before; and what was committed before is not told because a number was rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_now_on_misses_nothing_that_is_committed_later() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let ledger = behind(&proxy, test, DatabaseOptions::default()).await;
    let old = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
    // The first subscription ever finds a server that knows nothing, the second one that looks already.
    for end in ["COMMIT", "ROLLBACK", "COMMIT", "ROLLBACK"] {
        let slow = ledger.observer().await;
        slow.execute(
            "BEGIN; INSERT INTO outbox (entry_id) SELECT id FROM entry ORDER BY id LIMIT 1",
        )
        .await;
        let before = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        // It has begun when it has asked what is visible.
        let asked = proxy.hold_reply(|sql| sql.contains("SELECT seq FROM outbox"));
        let mut feed = ledger.subscribe(FEED, json!({})).await;
        asked.reached().await;
        asked.release();
        slow.execute(end).await;
        let after = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let expected = match end {
            "COMMIT" => vec![old.clone(), before, after],
            _ => vec![after],
        };
        let heard = events(&mut feed, expected.len()).await;
        let heard: Vec<_> = heard.into_iter().map(|(_, id)| json!(id)).collect();
        assert_eq!(heard, expected, "{end}");
    }
}

on_every_engine! {
    /// Writers of every kind at once: of one entry and of two, refused after the first, on few accounts. Each subscriber hears what
    /// the table has, once, in its order.
    async fn what_is_heard_is_what_the_table_has(test: TestDatabase) {
        const WRITERS: u64 = 8;
        let rounds = if test.engine() == Engine::Sqlite { 10 } else { 30 };
        let ledger = Arc::new(Ledger::with_accounts(test).await);
        let codes = ["a", "b", "c", "d", "e", "f"];
        for code in codes {
            ledger.open(code, "EUR", "DEBIT", "NONE").await;
        }
        let mut all = ledger.subscribe(FEED, json!({ "after": "0" })).await;
        let mut of_a = ledger.subscribe(FEED, json!({ "after": "0", "accounts": [{ "code": "a" }, { "code": "cash" }] })).await;
        let writers = (0..WRITERS).map(|writer| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let twice = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) { a: postEntry(input: $a) { entry { id } } b: postEntry(input: $b) { entry { id } } }";
                // Any sequence does that does not repeat itself soon.
                let mut state = writer * 7919 + 17;
                let mut draw = move |below: u64| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    usize::try_from((state >> 33) % below).unwrap()
                };
                for _ in 0..rounds {
                    let debit = draw(6);
                    let entry = json!({ "lines": [line(codes[debit], codes[(debit + 1 + draw(5)) % 6], 1, "EUR")] });
                    let second = match draw(3) {
                        0 => json!({ "lines": [line("a", "nobody", 1, "EUR")] }),
                        _ => json!({ "lines": [line("cash", codes[draw(6)], 1, "EUR")] }),
                    };
                    match draw(3) {
                        0 => ledger.run(POST, json!({ "input": entry })).await,
                        _ => ledger.run(twice, json!({ "a": entry, "b": second })).await,
                    };
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let last = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let observer = ledger.observer().await;
        let numbers = async |wanted: &str| -> Vec<i64> {
            let numbers = observer.texts(&format!("SELECT CAST(seq AS text) FROM outbox {wanted} ORDER BY outbox.seq")).await;
            numbers.into_iter().map(|number| number.unwrap().parse().unwrap()).collect()
        };
        let touched = "WHERE EXISTS (SELECT 1 FROM entry_line JOIN account ON account.id IN (debit_account_id, credit_account_id) WHERE entry_line.entry_id = outbox.entry_id AND account.code IN ('a', 'cash'))";
        for (subscription, wanted) in [(&mut all, "WHERE entry_id IS NOT NULL"), (&mut of_a, touched)] {
            let mut heard = Vec::new();
            loop {
                let (cursor, id) = event(&subscription.event().await);
                heard.push(cursor);
                if json!(id) == last {
                    break;
                }
            }
            assert_eq!(heard, numbers(wanted).await);
        }
    }
}

/// A transaction that has drawn a number and not committed: what has larger numbers waits for it, and comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_is_drawn_and_not_committed_is_waited_for() {
    let ledger = Ledger::with_accounts(TestDatabase::create(Engine::Postgres).await).await;
    let mut feed = ledger.subscribe(FEED, json!({ "after": "0" })).await;
    let first = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
    assert_eq!(event(&feed.event().await).1, first);
    for end in ["COMMIT", "ROLLBACK"] {
        let slow = ledger.observer().await;
        slow.execute(
            "BEGIN; INSERT INTO outbox (entry_id) SELECT id FROM entry ORDER BY id LIMIT 1",
        )
        .await;
        let mut later = Vec::new();
        for _ in 0..20 {
            later.push(ledger.post("cash", "alice", 1).await["entry"]["id"].take());
        }
        slow.execute(end).await;
        let mut expected = later;
        if end == "COMMIT" {
            expected.insert(0, first.clone());
        }
        let heard = events(&mut feed, expected.len()).await;
        assert!(heard.is_sorted_by(|(a, _), (b, _)| a < b), "{heard:?}");
        let ids: Vec<_> = heard.into_iter().map(|(_, id)| json!(id)).collect();
        assert_eq!(ids, expected, "{end}");
    }
}
