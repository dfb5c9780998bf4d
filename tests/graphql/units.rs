//! The ledger's operations as units of work: their reports, and the statements that they send.

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use serde_json::json;
use unit_of_work::DatabaseOptions;

use super::server::{Ledger, POST, line};

on_every_engine! {
    async fn operations_tell_of_their_unit(test: TestDatabase) {
        let engine = test.engine();
        let ledger = Ledger::with_accounts(test).await;
        let unit = |response: &serde_json::Value| response["extensions"]["unitOfWork"].clone();
        let read = unit(&ledger.run("{ account(by: { code: \"cash\" }) { id } }", json!({})).await);
        assert_eq!((&read["outcome"], &read["access"], &read["statements"]), (&json!("READ"), &json!("READ ONLY"), &json!(1)));
        let isolation = if engine == Engine::Sqlite { "SERIALIZABLE" } else { "REPEATABLE READ" };
        assert_eq!(read["isolation"], isolation);
        let posted = unit(&ledger.run(POST, json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")] } })).await);
        assert_eq!((&posted["outcome"], &posted["access"]), (&json!("COMMITTED"), &json!("READ WRITE")));
        let refused = unit(&ledger.run(POST, json!({ "input": { "lines": [line("alice", "cash", 9, "EUR")] } })).await);
        assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("ROLLED_BACK"), &json!("ERROR")));
        let nothing = unit(&ledger.run("{ __typename }", json!({})).await);
        assert_eq!((&nothing["outcome"], &nothing["statements"]), (&json!("UNTOUCHED"), &json!(0)));
    }

    /// A dry run by header: the response shows what would happen, and nothing has.
    async fn dry_run_moves_nothing(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let mut feed = ledger.subscribe("subscription { entryPosted { entry { id } } }", json!({})).await;
        feed.settled().await;
        let input = json!({ "input": { "lines": [line("cash", "alice", 7, "EUR")] } });
        let response = ledger.dry_run(POST, input.clone()).await;
        assert_eq!(response["extensions"], json!({ "dryRun": true }));
        assert_eq!(response["data"]["postEntry"]["accounts"][0]["balances"]["posted"]["amount"], "7");
        assert_eq!((ledger.balance("cash").await, ledger.count("entry").await), (0, 0));
        // The feed has only what happened.
        let posted = ledger.data(POST, input).await["postEntry"]["entry"]["id"].take();
        assert_eq!(feed.event().await["data"]["entryPosted"]["entry"]["id"], posted);
    }

    /// A batch by header: the entry that can be posted is not, because the one after it is refused; without the header each
    /// is on its own.
    async fn batch_is_all_or_nothing(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let post = |debit, credit, amount| json!({
            "query": POST,
            "variables": { "input": { "lines": [line(debit, credit, amount, "EUR")] } },
        });
        let batch = json!([post("cash", "alice", 7), post("alice", "cash", 8), post("cash", "alice", 1)]);
        let send = async |header: (&str, &str)| {
            let request = ledger.request(&batch).header(header.0, header.1);
            let answer = request.send().await.expect("answers").json::<serde_json::Value>().await.expect("is JSON");
            let code = |response: &serde_json::Value| response["errors"][0]["extensions"]["code"].clone();
            answer.as_array().expect("a batch").iter().map(code).collect::<Vec<_>>()
        };
        let codes = send(("x-batch", "all-or-nothing")).await;
        assert_eq!(codes, ["BATCH_ROLLED_BACK", "INSUFFICIENT_FUNDS", "BATCH_ROLLED_BACK"]);
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (0, 0));
        let codes = send(("x-batch", "each")).await;
        assert_eq!(codes, [json!(null), json!("INSUFFICIENT_FUNDS"), json!(null)]);
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (8, 2));
    }

    /// Clients that post at the same time on the same two accounts: every entry that was acknowledged is there, once.
    async fn concurrent_clients_lose_nothing(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let posts = (0..40).map(|n| {
            // Both directions, so that locks are wanted in both orders.
            let line = if n % 2 == 0 { line("cash", "alice", 3, "EUR") } else { line("alice", "cash", 1, "EUR") };
            ledger.run(POST, json!({ "input": { "lines": [line] } }))
        });
        ledger.post("cash", "alice", 100).await;
        let responses = futures_util::future::join_all(posts).await;
        for response in &responses {
            assert_eq!(response.get("errors"), None, "{response}");
        }
        assert_eq!(ledger.count("entry").await, 41);
        assert_eq!((ledger.balance("alice").await, ledger.balance("cash").await), (140, 140));
        let check = ledger.data("{ verifyLedger { ok differences { message } } }", json!({})).await;
        assert_eq!(check["verifyLedger"], json!({ "ok": true, "differences": [] }));
    }
}

on_every_engine! {
    /// Operations that touch the same accounts in opposite orders, entry by entry, deadlock on PostgreSQL: they are run
    /// again, and no client hears of it.
    async fn deadlocks_are_not_the_clients_business(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for code in ["bank", "bob"] {
            ledger.open(code, "EUR", "DEBIT", "NONE").await;
        }
        let twice = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) {
            a: postEntry(input: $a) { entry { id } } b: postEntry(input: $b) { entry { id } }
        }";
        let entries = [json!({ "lines": [line("cash", "alice", 1, "EUR")] }), json!({ "lines": [line("bank", "bob", 1, "EUR")] })];
        let operations = (0..6).map(|n| {
            let (a, b) = (&entries[n % 2], &entries[1 - n % 2]);
            ledger.run(twice, json!({ "a": a, "b": b }))
        });
        for response in futures_util::future::join_all(operations).await {
            assert_eq!(response.get("errors"), None, "{response}");
        }
        assert_eq!((ledger.balance("cash").await, ledger.balance("bank").await), (6, 6));
        assert_eq!(ledger.count("entry").await, 12);
    }
}

/// What `postEntry` sends, flight by flight: no statement that the rules do not need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_post_entry_sends() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let url = proxy.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.max_connections = 1;
    let ledger = Ledger::serve_at(test, &url, options).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    ledger.open("alice", "EUR", "CREDIT", "NONE").await;
    let post = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }";
    let input = json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")] } });
    // The first one prepares the statements.
    ledger.data(post, input.clone()).await;
    let back = async || proxy.log().ends_with(&["COMMIT".to_owned()]);
    eventually("the connection is back", back).await;
    proxy.clear_log();
    ledger.data(post, input).await;
    eventually("the connection is back", back).await;
    let words: Vec<String> = proxy
        .log()
        .iter()
        .map(|flight| {
            flight
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
                .replace('"', "")
        })
        .map(|words| words.split(" (").next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        words,
        [
            "BEGIN; SELECT pg_current_xact_id()::text,",
            "SELECT account.id, account.code,",
            "WITH part_1 AS",
            "COMMIT",
        ]
    );
}
