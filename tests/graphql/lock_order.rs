//! Operations whose fields lock accounts in opposite orders. Only on PostgreSQL, since SQLite locks no rows.

use std::sync::Arc;

use daybook_test_harness::{Engine, TestDatabase, eventually};
use serde_json::{Value, json};
use unit_of_work::DatabaseOptions;

use super::server::{Ledger, line};

const TWICE: &str = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) { a: postEntry(input: $a) { entry { id } } b: postEntry(input: $b) { entry { id } } }";

fn twice(first: (&str, &str), second: (&str, &str)) -> Value {
    let entry = |(debit, credit)| json!({ "lines": [line(debit, credit, 1, "EUR")] });
    json!({ "query": TWICE, "variables": { "a": entry(first), "b": entry(second) } })
}

/// The second entry has a condition on this account, and touches others.
fn looking(first: (&str, &str), at: &str) -> Value {
    let mut body = twice(first, ("p", "q"));
    let condition = json!({ "account": { "code": at }, "balance": "POSTED", "atMost": "1000000" });
    body["variables"]["b"]["conditions"] = json!([condition]);
    body
}

fn locks(sql: &str) -> bool {
    sql.contains("FOR NO KEY UPDATE")
}

/// An attempt that is lost to a deadlock is run again, and then locks all of its accounts first, in one statement. After that its
/// accounts are contended: whoever cannot have them at once loses without a wait for the database to find the deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_attempt_has_locked_is_locked_first() {
    locked_first(&twice(("x", "y"), ("z", "w")), 4).await;
}

/// What a condition is about is locked with the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_condition_is_about_is_locked_first() {
    locked_first(&looking(("x", "y"), "z"), 5).await;
}

/// The operation locks so many accounts: `x` and `y` in its first field, and `z` in its second.
async fn locked_first(body: &Value, accounts: usize) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let ledger = Ledger::serve_at(test, proxy.url(), DatabaseOptions::default()).await;
    for code in ["x", "y", "z", "w", "p", "q"] {
        ledger.open(code, "EUR", "DEBIT", "NONE").await;
    }
    let send = |request: reqwest::RequestBuilder| {
        tokio::spawn(async { request.send().await.unwrap().json::<Value>().await.unwrap() })
    };
    let rival = ledger.observer().await;
    // So that the server's own transaction is the one that finds the deadlock.
    rival.execute("SET deadlock_timeout = '1min'; BEGIN; SELECT id FROM account WHERE code = 'z' FOR UPDATE").await;
    let mut has_posted = false;
    let second = proxy.hold(move |sql| {
        has_posted |= sql.contains("INSERT INTO");
        has_posted && locks(sql)
    });
    let operation = send(ledger.request(body));
    second.reached().await;
    let rival = Arc::new(rival);
    let waits = Arc::clone(&rival);
    let waits = tokio::spawn(async move {
        waits
            .execute("SELECT id FROM account WHERE code = 'x' FOR UPDATE")
            .await
    });
    let observer = ledger.observer().await;
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually("the rival waits", async || observer.i64(waiting).await == 1).await;
    proxy.clear_log();
    second.release();
    waits.await.unwrap();
    rival.execute("COMMIT").await;
    let answer = operation.await.unwrap();
    assert!(answer["data"]["b"].is_object(), "{answer}");
    // The first field names its own two, and then all.
    let last = format!("${}", 2 + accounts);
    let together = |sql: &String| locks(sql) && sql.contains(&last);
    let log = proxy.log();
    assert!(log.iter().any(together), "{log:?}");

    rival
        .execute("BEGIN; SELECT id FROM account WHERE code = 'z' FOR UPDATE")
        .await;
    proxy.clear_log();
    let operation = send(ledger.request(body));
    eventually("it is run again", async || proxy.log().iter().any(together)).await;
    assert!(
        proxy.log().iter().any(|sql| sql.contains("NOWAIT")),
        "{:?}",
        proxy.log()
    );
    rival.execute("COMMIT").await;
    let answer = operation.await.unwrap();
    assert!(answer["data"]["b"].is_object(), "{answer}");
    assert_eq!(ledger.balance("x").await, 2);
    assert_eq!(ledger.count("entry").await, 4);
}

/// Many of them at once, of every order and kind: all succeed, and the database finds few deadlocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opposite_orders_all_succeed() {
    const CLIENTS: usize = 4;
    const OPERATIONS: usize = 25;
    let ledger = Arc::new(Ledger::serve(TestDatabase::create(Engine::Postgres).await).await);
    for code in ["x", "y", "z", "w"] {
        ledger.open(code, "EUR", "DEBIT", "NONE").await;
    }
    let clients = (0..CLIENTS).map(|client| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let body = match client % 2 {
                0 => twice(("x", "y"), ("z", "w")),
                _ => twice(("z", "w"), ("x", "y")),
            };
            for _ in 0..OPERATIONS {
                let answer = ledger.request(&body).send().await.unwrap();
                let answer: Value = answer.json().await.unwrap();
                assert!(answer["data"]["b"].is_object(), "{answer}");
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        client.await.unwrap();
    }
    let posted = i64::try_from(CLIENTS * OPERATIONS).unwrap();
    assert_eq!(
        (ledger.balance("x").await, ledger.balance("w").await),
        (posted, -posted)
    );
    let observer = ledger.observer().await;
    let deadlocks = observer
        .i64("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        .await;
    assert!(deadlocks <= 10, "{deadlocks} deadlocks");
}

/// Entries onto one account that everybody pays wait for each other, and share their COMMITs. Each is an entry of its own: its version and
/// balance are those of its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_onto_one_account_share_commits() {
    const ENTRIES: usize = 64;
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let ledger = Ledger::serve_at(test, proxy.url(), DatabaseOptions::default()).await;
    ledger.open("hot", "EUR", "CREDIT", "NONE").await;
    for payer in 0..8 {
        ledger
            .open(&format!("payer{payer}"), "EUR", "DEBIT", "NONE")
            .await;
    }
    let post = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { lines { creditBalanceAfter { amount } } } } }";
    proxy.clear_log();
    let entries: Vec<_> = (0..ENTRIES)
        .map(|number| {
            let lines = [line(&format!("payer{}", number % 8), "hot", 1, "EUR")];
            let body = json!({ "query": post, "variables": { "input": { "lines": lines } } });
            let request = ledger.request(&body);
            tokio::spawn(async { request.send().await.unwrap().json::<Value>().await.unwrap() })
        })
        .collect();
    let mut balances = Vec::new();
    for entry in entries {
        let answer = entry.await.unwrap();
        let balance = &answer["data"]["postEntry"]["entry"]["lines"][0]["creditBalanceAfter"];
        let balance = balance["amount"].as_str().expect("is posted");
        balances.push(balance.parse::<usize>().unwrap());
    }
    balances.sort_unstable();
    assert_eq!(balances, (1..=ENTRIES).collect::<Vec<_>>());
    assert_eq!(ledger.balance("hot").await, 64);
    let log = proxy.log();
    let commits = log.iter().filter(|sql| sql.ends_with("COMMIT")).count();
    assert!(commits < ENTRIES - 8, "{commits} COMMITs");
}
