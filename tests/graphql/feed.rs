//! `entryPosted`: every committed entry once, in the order of commits, from any cursor on.

use std::{collections::HashSet, sync::Arc, time::Duration};

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::RwLock;

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

    /// Six write, three listen, and the two servers are killed in turns, in the middle of whatever they do, and started again. Each writer sends an
    /// entry with its own key until it is answered. Each listener goes on from its last cursor at the other server. All hear
    /// every entry once, in the same order, which is that of each account's versions.
    async fn every_entry_once_through_killed_servers(test: TestDatabase) {
        const WRITERS: usize = 6;
        const ENTRIES: usize = 30;
        const ALL: usize = WRITERS * ENTRIES;
        let url = test.url().to_owned();
        let mut servers = [Process::start(&url), Process::start(&url)];
        let addresses = Arc::new(RwLock::new(servers.iter().map(|server| server.address.clone()).collect::<Vec<_>>()));
        let client = reqwest::Client::new();
        let observer = test.observer().await;
        for code in ["a", "b", "c"] {
            let open = format!("mutation {{ openAccount(input: {{ code: \"{code}\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }}) {{ account {{ id }} }} }}");
            let sent = client.post(format!("http://{}/graphql", servers[0].address)).json(&json!({ "query": open })).send().await.unwrap();
            assert!(sent.status().is_success());
        }

        let writers = (0..WRITERS).map(|writer| {
            let (addresses, client) = (Arc::clone(&addresses), client.clone());
            tokio::spawn(async move {
                for number in 0..ENTRIES {
                    let codes = ["a", "b", "c"];
                    let (debit, credit) = (codes[(writer + number) % 3], codes[(writer + number + 1 + number % 2) % 3]);
                    let body = json!({ "query": POST, "variables": { "input": { "lines": [line(debit, credit, 1, "EUR")] } } });
                    for attempt in 0.. {
                        assert!(attempt < 3000, "no server answers");
                        let address = addresses.read().await[(writer + attempt) % 2].clone();
                        let request = client.post(format!("http://{address}/graphql")).timeout(Duration::from_secs(10));
                        let sent = request.header("idempotency-key", format!("{writer}-{number}")).json(&body).send().await;
                        if let Ok(response) = sent
                            && let Ok(answer) = response.json::<Value>().await
                            && answer["data"]["postEntry"].is_object()
                        {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            })
        });
        let listeners = (0..3).map(|listener| {
            let addresses = Arc::clone(&addresses);
            tokio::spawn(async move {
                let mut heard: Vec<(i64, String)> = Vec::new();
                for attempt in 0.. {
                    assert!(attempt < 3000, "no server answers");
                    let address = addresses.read().await[(listener + attempt) % 2].clone();
                    let after = heard.last().map_or(0, |(cursor, _)| *cursor).to_string();
                    let Some(mut feed) = Subscription::open(&address, FEED, json!({ "after": after })).await else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    while heard.len() < ALL {
                        let Some(payload) = feed.try_event().await else { break };
                        heard.push(event(&payload));
                    }
                    if heard.len() == ALL {
                        break;
                    }
                }
                heard
            })
        });
        let (writers, listeners): (Vec<_>, Vec<_>) = (writers.collect(), listeners.collect());

        for (turn, threshold) in [20, 60, 100, 140].into_iter().enumerate() {
            eventually("more is posted", async || observer.i64("SELECT COUNT(*) FROM outbox").await >= threshold).await;
            servers[turn % 2].kill();
            servers[turn % 2] = Process::start(&url);
            addresses.write().await[turn % 2] = servers[turn % 2].address.clone();
        }
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        let heard: Vec<_> = join_all(listeners).await.into_iter().map(Result::unwrap).collect();

        let hex = if test.engine() == Engine::Sqlite { "lower(hex(entry_id))" } else { "replace(entry_id::text, '-', '')" };
        let posted = observer.texts(&format!("SELECT {hex} FROM outbox ORDER BY seq")).await;
        assert_eq!(posted.len(), ALL);
        for heard in &heard {
            let ids: Vec<_> = heard.iter().map(|(_, id)| {
                let id: daybook::ledger::Id = id.parse().unwrap();
                let daybook::ledger::Id::Entry(id) = id else { panic!("{id}") };
                Some(id.simple().to_string())
            }).collect();
            assert_eq!(ids, posted);
        }
        let backwards = "SELECT COUNT(*) FROM (
            SELECT version - LAG(version) OVER (PARTITION BY account_id ORDER BY seq) AS step FROM (
                SELECT seq, debit_account_id AS account_id, debit_version AS version FROM entry_line JOIN outbox ON outbox.entry_id = entry_line.entry_id
                UNION ALL
                SELECT seq, credit_account_id, credit_version FROM entry_line JOIN outbox ON outbox.entry_id = entry_line.entry_id
            ) AS touched
        ) AS steps WHERE step <> 1";
        assert_eq!(observer.i64(backwards).await, 0);
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
