//! `entryPosted`: every committed entry once, in the order of commits, from any cursor on.

use std::{collections::HashSet, sync::Arc, time::Duration};

use daybook_test_harness::{
    Engine, Observer, TestDatabase, WireProxy, eventually, on_every_engine,
    postgres::PostgresServer,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::RwLock;
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

/// A server that reaches its database through a proxy, with the usual accounts.
async fn behind(proxy: &WireProxy, test: TestDatabase, options: DatabaseOptions) -> Ledger {
    let ledger = Ledger::serve_at(test, proxy.url(), options).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    ledger
        .open("alice", "EUR", "CREDIT", "NO_DEBIT_OVERDRAFT")
        .await;
    ledger
}

/// Locks an account's row until the observer commits.
async fn lock(observer: &Observer, code: &str) {
    let sql = format!("BEGIN; SELECT id FROM account WHERE code = '{code}' FOR UPDATE");
    observer.execute(&sql).await;
}

/// Waits until so many transactions wait for a lock.
async fn waiting(observer: &Observer, count: i64) {
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually("they wait for a lock", async || {
        observer.i64(waiting).await == count
    })
    .await;
}

/// The next number of the outbox that nobody has drawn.
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

/// The read of an entry for an event.
fn reads_an_entry(sql: &str) -> bool {
    sql.contains("FROM \"entry\" WHERE")
}

/// The read of an event meets a connection that is lost: the client sees nothing of that.
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
    observer.execute("ALTER TABLE outbox DISABLE TRIGGER ALL; DELETE FROM outbox WHERE seq > 1; ALTER SEQUENCE outbox_seq_seq RESTART WITH 2").await;
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
    let mut anew = ledger.subscribe(FEED, json!({ "after": "1" })).await;
    assert_eq!(
        events(&mut anew, 2).await.last().map(|(cursor, _)| *cursor),
        Some(3)
    );
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
        for (subscription, expected) in [(&mut all, numbers("").await), (&mut of_a, numbers(touched).await)] {
            let mut heard = Vec::new();
            loop {
                let (cursor, id) = event(&subscription.event().await);
                heard.push(cursor);
                if json!(id) == last {
                    break;
                }
            }
            assert_eq!(heard, expected);
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
