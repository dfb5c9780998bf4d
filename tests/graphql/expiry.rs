//! Expired holds are released by the server, once.

use daybook::{config::DatabaseUrl, database, expiry, ledger::Clock};
use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;
use tokio::join;
use unit_of_work::DatabaseOptions;

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
}
