//! The examples, and the playground's operations, work as they stand.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::Ledger;

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(
            "../../src/http/playground/examples/",
            $name,
            ".graphql"
        ))
    };
}

/// Runs one operation of an example, with its variables and those that replace them. It must succeed.
async fn operation(ledger: &Ledger, example: [&str; 2], name: &str, replace: Value) -> Value {
    let mut variables: Value = serde_json::from_str(example[1]).unwrap();
    for (name, value) in replace.as_object().unwrap() {
        assert!(variables.get(name).is_some(), "{name} is in the file");
        variables[name] = value.clone();
    }
    let body = json!({ "query": example[0], "variables": variables, "operationName": name });
    let response = ledger.request(&body).send().await.unwrap();
    let mut response: Value = response.json().await.unwrap();
    assert_eq!(response.get("errors"), None, "{name}: {response}");
    response["data"].take()
}

/// Code and posted balance of every account in a connection.
fn balances(accounts: &Value) -> Vec<(&str, &str)> {
    let edges = accounts["edges"].as_array().unwrap().iter();
    edges
        .map(|edge| {
            let decimal = &edge["node"]["balances"]["posted"]["decimal"];
            (
                edge["node"]["code"].as_str().unwrap(),
                decimal.as_str().unwrap(),
            )
        })
        .collect()
}

on_every_engine! {
    async fn a_wallet_with_holds(test: TestDatabase) {
        const WALLET: [&str; 2] = [include_str!("../../examples/wallet.graphql"), include_str!("../../examples/wallet.variables.json")];
        let ledger = Ledger::serve(test).await;
        operation(&ledger, WALLET, "OpenWallet", json!({})).await;
        operation(&ledger, WALLET, "TopUp", json!({})).await;
        let mut holds = Vec::new();
        for _ in 0..2 {
            let held = operation(&ledger, WALLET, "AuthorisePayment", json!({})).await;
            holds.push(held["placeHold"]["entry"]["id"].clone());
        }
        let captured = operation(&ledger, WALLET, "CapturePayment", json!({ "hold": holds[0] })).await;
        assert_eq!(captured["captureHold"]["entry"]["resolves"]["hold"]["status"], "CAPTURED");
        operation(&ledger, WALLET, "ReleasePayment", json!({ "hold": holds[1] })).await;
        let wallet = operation(&ledger, WALLET, "Wallet", json!({})).await;
        let expected = json!({ "posted": { "decimal": "62.50" }, "pending": { "decimal": "0.00" }, "available": { "decimal": "62.50" } });
        assert_eq!(wallet["account"]["balances"], expected);
        let newest = &wallet["account"]["statement"]["edges"][0]["node"];
        assert_eq!((&newest["entry"]["description"], &newest["balanceAfter"]["decimal"]), (&json!("The order is cancelled"), &json!("62.50")));
    }

    async fn a_marketplace_payout_with_its_fee(test: TestDatabase) {
        const MARKETPLACE: [&str; 2] = [include_str!("../../examples/marketplace.graphql"), include_str!("../../examples/marketplace.variables.json")];
        let ledger = Ledger::serve(test).await;
        for name in ["OpenMarketplace", "BuyerPays", "PayOut"] {
            operation(&ledger, MARKETPLACE, name, json!({})).await;
        }
        let accounts = operation(&ledger, MARKETPLACE, "Marketplace", json!({})).await;
        assert_eq!(balances(&accounts["accounts"]), [("market:bank", "12.50"), ("market:fees", "12.50"), ("market:seller", "0.00")]);
    }

    async fn a_currency_exchange(test: TestDatabase) {
        const EXCHANGE: [&str; 2] = [include_str!("../../examples/exchange.graphql"), include_str!("../../examples/exchange.variables.json")];
        let ledger = Ledger::serve(test).await;
        for name in ["OpenExchange", "PayIn", "Exchange"] {
            operation(&ledger, EXCHANGE, name, json!({})).await;
        }
        let accounts = operation(&ledger, EXCHANGE, "Positions", json!({})).await;
        assert_eq!(balances(&accounts["accounts"]), [
            ("fx:customer:eur", "0.00"), ("fx:customer:jpy", "32450"), ("fx:desk:eur", "0.00"), ("fx:desk:jpy", "-32450"),
        ]);
    }

    async fn examples_run_in_their_order(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        let mut feed = ledger.subscribe(&example!("feed").replace("entryPosted {", "entryPosted(after: \"0\") {"), json!({})).await;
        ledger.data(example!("open-accounts"), json!({})).await;
        ledger.data(example!("post-entry"), json!({})).await;
        let event = feed.event().await;
        assert_eq!(event["data"]["entryPosted"]["entry"]["description"], "Alice pays in cash");
        let before = ledger.data(example!("balances"), json!({})).await;
        assert_eq!(before["accounts"]["edges"].as_array().map(Vec::len), Some(2));
        let error = ledger.error(example!("second-fails"), json!({})).await;
        assert_eq!(error["extensions"]["code"], "INSUFFICIENT_FUNDS");
        assert_eq!(ledger.data(example!("balances"), json!({})).await, before);
    }
}
