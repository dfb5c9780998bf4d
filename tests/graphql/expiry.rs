//! Expired holds are released by the server, once.

use daybook::{config::DatabaseUrl, database, expiry, ledger::Clock};
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use serde_json::{Value, json};
use tokio::join;
use unit_of_work::DatabaseOptions;

use super::process::Process;
use super::server::{Ledger, line};

on_every_engine! {
    /// Two servers look at the same moment; each hold is released by one of them.
    async fn expired_holds_are_released_once(test: TestDatabase) {
        let url = DatabaseUrl::parse(test.url()).unwrap();
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1000).await;
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        let now = Clock::system().now();
        let mut ids = Vec::new();
        for minutes in [1, 2, 3, 60] {
            let expires_at = (now + chrono::TimeDelta::minutes(minutes)).to_rfc3339();
            let input = json!({ "lines": [line("alice", "cash", 100, "EUR")], "expiresAt": expires_at });
            ids.push(ledger.data(hold, json!({ "input": input })).await["placeHold"]["entry"]["id"].take());
        }
        let first = database::connect(&url, DatabaseOptions::default()).await.unwrap();
        let second = database::connect(&url, DatabaseOptions::default()).await.unwrap();
        let later = Clock::at(now + chrono::TimeDelta::minutes(30));
        let (one, two) = join!(expiry::release(&first, None, &later), expiry::release(&second, None, &later));
        assert_eq!(one.unwrap() + two.unwrap(), 3);
        assert_eq!(expiry::release(&first, Some(now), &later).await.unwrap(), 0);
        let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Entry { hold { status } } } account(by: { code: \"alice\" }) { balances { available { amount } } } }";
        let data = ledger.data(query, json!({ "ids": ids })).await;
        let statuses = ["RELEASED", "RELEASED", "RELEASED", "OPEN"].map(|status| json!({ "hold": { "status": status } }));
        assert_eq!(data["nodes"], json!(statuses));
        assert_eq!(data["account"]["balances"]["available"]["amount"], "900");
        first.close().await;
        second.close().await;
    }

    /// Holds that the database refuses to release do not stop one that expired later; and they are released once that is possible.
    async fn a_hold_that_cannot_be_released_stops_no_other(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1000).await;
        let hold = async |description: &str, milliseconds| {
            let expires_at = (Clock::system().now() + chrono::TimeDelta::milliseconds(milliseconds)).to_rfc3339();
            let input = json!({ "lines": [line("alice", "cash", 1, "EUR")], "expiresAt": expires_at, "description": description });
            let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
            ledger.data(hold, json!({ "input": input })).await["placeHold"]["entry"]["id"].take()
        };
        let mut stuck = Vec::new();
        for _ in 0..3 {
            stuck.push(hold("stuck", 300).await);
        }
        let observer = ledger.observer().await;
        let is_stuck = "EXISTS (SELECT 1 FROM entry WHERE entry.id = NEW.resolves_id AND entry.description = 'stuck')";
        let (refuse, allow) = match ledger.engine() {
            Engine::Sqlite => (
                format!("CREATE TRIGGER stuck BEFORE INSERT ON entry WHEN {is_stuck} BEGIN SELECT RAISE(ABORT, 'stuck'); END"),
                "DROP TRIGGER stuck",
            ),
            Engine::MariaDb => (
                format!(
                    "CREATE TRIGGER stuck BEFORE INSERT ON entry FOR EACH ROW
                     BEGIN IF {is_stuck} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stuck'; END IF; END"
                ),
                "DROP TRIGGER stuck",
            ),
            Engine::Postgres => (
                format!("CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {is_stuck} THEN RAISE 'stuck'; END IF; RETURN NEW; END $$;
                         CREATE TRIGGER stuck BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION stuck()"),
                "DROP TRIGGER stuck ON entry",
            ),
        };
        observer.execute(&refuse).await;
        let younger = hold("younger", 600).await;
        let _server = Process::start(&url);
        let status = "query ($id: ID!) { node(id: $id) { ... on Entry { hold { status } } } }";
        let is = async |id: &Value, expected: &str| ledger.data(status, json!({ "id": id })).await["node"]["hold"]["status"] == expected;
        eventually("the younger hold is released", async || is(&younger, "RELEASED").await).await;
        for id in &stuck {
            assert!(is(id, "OPEN").await || is(id, "EXPIRED").await, "{id}");
        }
        observer.execute(allow).await;
        for id in &stuck {
            eventually("the others are released", async || is(id, "RELEASED").await).await;
        }
    }
}

/// A hold whose account is locked for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_waits_for_a_lock_stops_no_other() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = DatabaseUrl::parse(test.url()).unwrap();
    let ledger = Ledger::with_accounts(test).await;
    ledger.post("cash", "alice", 1000).await;
    for code in ["bob", "eve", "fay"] {
        ledger.open(code, "EUR", "CREDIT", "NONE").await;
    }
    let now = Clock::system().now();
    let mut ids = Vec::new();
    for (minutes, debit, credit) in [(1, "bob", "eve"), (2, "alice", "fay"), (3, "alice", "fay")] {
        let expires_at = (now + chrono::TimeDelta::minutes(minutes)).to_rfc3339();
        let input = json!({ "lines": [line(debit, credit, 1, "EUR")], "expiresAt": expires_at });
        let hold =
            "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        ids.push(
            ledger.data(hold, json!({ "input": input })).await["placeHold"]["entry"]["id"].take(),
        );
    }
    let locked = ledger.observer().await;
    locked
        .execute("BEGIN; SELECT id FROM account WHERE code = 'bob' FOR UPDATE")
        .await;
    let database = database::connect(&url, DatabaseOptions::default())
        .await
        .unwrap();
    let later = Clock::at(now + chrono::TimeDelta::minutes(30));
    let released = expiry::release(&database, None, &later).await;
    assert!(released.is_err(), "{released:?}");
    assert_eq!(ledger.count("entry WHERE kind = 'RELEASE'").await, 2);
    locked.execute("COMMIT").await;
    assert_eq!(expiry::release(&database, None, &later).await.unwrap(), 1);
    database.close().await;
}
