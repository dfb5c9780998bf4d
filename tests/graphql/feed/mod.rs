//! `entryPosted`: every committed entry once, in the order of commits, from any cursor on.

mod dropped;
mod interrupted;
mod killed;
mod order;

use std::{collections::HashSet, time::Duration};

use daybook_test_harness::{TestDatabase, WireProxy, on_every_engine};
use serde_json::{Value, json};
use unit_of_work::DatabaseOptions;

use super::process::Process;
use super::server::{Ledger, POST, Subscription, line};

const FEED: &str = "subscription ($accounts: [AccountRef!], $after: String) { entryPosted(accounts: $accounts, after: $after) { cursor behind entry { id } } }";

/// The cursor, and the entry's id.
fn event(payload: &Value) -> (i64, String) {
    let event = &payload["data"]["entryPosted"];
    let cursor = event["cursor"]
        .as_str()
        .unwrap_or_else(|| panic!("{payload}"))
        .parse()
        .unwrap();
    (cursor, event["entry"]["id"].as_str().unwrap().to_owned())
}

async fn events(subscription: &mut Subscription, count: usize) -> Vec<(i64, String)> {
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(event(&subscription.event().await));
    }
    events
}

on_every_engine! {
    async fn committed_entries_only(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        let mut all = ledger.subscribe("subscription { entryPosted(after: \"0\") { entry { id lines { credit { code balances { posted { amount } } } } } } }", json!({})).await;
        let mut of_bob = ledger.subscribe(FEED, json!({ "after": "0", "accounts": [{ "code": "bob" }] })).await;

        let first = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let twice = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) { a: postEntry(input: $a) { entry { id } } b: postEntry(input: $b) { entry { id } } }";
        let variables = json!({ "a": { "lines": [line("cash", "bob", 1, "EUR")] }, "b": { "lines": [line("cash", "nobody", 1, "EUR")] } });
        ledger.error(twice, variables).await;
        let last = ledger.data(POST, json!({ "input": { "lines": [line("cash", "bob", 5, "EUR")] } })).await["postEntry"]["entry"]["id"].take();

        // What was rolled back in between is announced to neither.
        let event = all.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["id"], first, "{event}");
        let event = all.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["id"], last, "{event}");
        assert_eq!(event["data"]["entryPosted"]["entry"]["lines"][0]["credit"], json!({ "code": "bob", "balances": { "posted": { "amount": "5" } } }));
        let event = of_bob.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["id"], last, "{event}");
    }

    /// Without a cursor only what comes is told.
    async fn from_now_on(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let before = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let mut feed = ledger.subscribe(FEED, json!({})).await;
        // The protocol does not say when a subscription has begun: post until it has.
        let mut posted = HashSet::new();
        let first = loop {
            posted.insert(ledger.post("cash", "alice", 1).await["entry"]["id"].as_str().unwrap().to_owned());
            if let Ok(event) = tokio::time::timeout(Duration::from_millis(50), feed.event()).await {
                break event;
            }
        };
        let (_, id) = event(&first);
        assert!(posted.contains(&id) && before != json!(id));
    }

    /// Many more than are read at once; then on from the middle, at another server.
    async fn a_subscriber_goes_on_where_it_was(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::with_accounts(test).await;
        for _ in 0..5 {
            let many = (0..50).map(|n| format!("e{n}: postEntry(input: {{ lines: [{{ debit: {{ code: \"cash\" }}, credit: {{ code: \"alice\" }}, amount: 1, currency: \"EUR\" }}] }}) {{ entry {{ id }} }}"));
            ledger.data(&format!("mutation {{ {} }}", many.collect::<String>()), json!({})).await;
        }
        let all = events(&mut ledger.subscribe(FEED, json!({ "after": "0" })).await, 250).await;
        assert!(all.is_sorted_by(|(a, _), (b, _)| a < b));
        let ids: HashSet<_> = all.iter().map(|(_, id)| id).collect();
        assert_eq!(ids.len(), 250);
        let other = Process::start(&url);
        for from in [1, 120, 248] {
            let after = all[from].0.to_string();
            let mut feed = Subscription::open(&other.address, FEED, json!({ "after": after })).await.unwrap();
            assert_eq!(events(&mut feed, 249 - from).await, all[from + 1..]);
            // And what is posted at the first server comes to the second.
            let posted = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
            let newest = loop {
                let (_, id) = event(&feed.event().await);
                if json!(id) == posted {
                    break id;
                }
            };
            assert_eq!(json!(newest), posted);
        }
    }

    /// A client that has not taken events is told how many wait, and gets them all.
    async fn a_slow_subscriber_is_told_so(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for _ in 0..5 {
            ledger.post("cash", "alice", 1).await;
        }
        let mut feed = ledger.subscribe(FEED, json!({ "after": "0" })).await;
        for behind in ["4", "3", "2", "1", "0"] {
            let event = feed.event().await;
            assert_eq!(event["data"]["entryPosted"]["behind"], behind, "{event}");
        }
    }

    async fn what_is_no_cursor_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let accounts = vec![json!({ "code": "cash" }); 101];
        for (variables, field) in [
            (json!({ "after": "x" }), "after"),
            (json!({ "after": "-1" }), "after"),
            (json!({ "accounts": accounts }), "accounts"),
        ] {
            let message = ledger.subscribe(FEED, variables).await.message().await;
            let text = message.to_string();
            assert!(text.contains("BAD_USER_INPUT") && text.contains(field), "{message}");
        }
    }
}

/// A server that reaches its database through a proxy, with the usual accounts.
async fn behind(proxy: &WireProxy, test: TestDatabase, options: DatabaseOptions) -> Ledger {
    let ledger = Ledger::serve_at(test, proxy.url(), options).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    ledger
        .open("alice", "EUR", "CREDIT", "NO_DEBIT_OVERDRAFT")
        .await;
    ledger
}
