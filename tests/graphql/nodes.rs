//! Global object identification.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::server::Ledger;

on_every_engine! {
    /// Every id in an answer finds its object again; an unknown id gives null.
    async fn every_id_finds_its_object(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let posted = ledger.post("cash", "alice", 3).await;
        let account = posted["accounts"][0]["id"].clone();
        let entry = posted["entry"]["id"].clone();
        let line = posted["entry"]["lines"][0]["id"].clone();
        let missing = json!("acct_01h455vb4pex5vsknk084sn02q");
        let ids = json!([line, missing, account, "nonsense", entry, account]);
        let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
        let data = ledger.data(query, json!({ "ids": ids })).await;
        assert_eq!(data["nodes"], json!([
            { "__typename": "EntryLine", "id": line },
            null,
            { "__typename": "Account", "id": account },
            null,
            { "__typename": "Entry", "id": entry },
            { "__typename": "Account", "id": account },
        ]));
        let query = "query ($id: ID!) { node(id: $id) { id ... on Entry { lines { debit { code } credit { code } debitBalanceAfter { amount } } } } }";
        let data = ledger.data(query, json!({ "id": entry })).await;
        assert_eq!(data["node"]["lines"], json!([{ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "debitBalanceAfter": { "amount": "3" } }]));
        let query = "query ($id: ID!) { account(by: { id: $id }) { id } entry(id: $id) { id } }";
        let data = ledger.data(query, json!({ "id": account })).await;
        assert_eq!(data, json!({ "account": { "id": account }, "entry": null }));
    }

    /// `nodes` is bounded, and the id of something else is no account's.
    async fn ids_of_another_kind(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let entry = ledger.post("cash", "alice", 3).await["entry"]["id"].take();
        let response = ledger.run("query ($id: ID!) { account(by: { id: $id }) { id } currencies { code } }", json!({ "id": entry })).await;
        assert_eq!(response["data"]["account"], json!(null), "{response}");
        assert!(response["data"]["currencies"].is_array());
        let ids = vec![entry; 101];
        let error = ledger.error("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": ids })).await;
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT");
    }

    /// Any text that is sent as an id is answered, wherever the reader splits it.
    async fn what_is_no_id_is_nobodys(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for before in [0, 25, 62, 63, 64, 90, 4_000] {
            let id = format!("{}é_01h455vb4pex5vsknk084sn02q", "a".repeat(before));
            let query = "query ($id: ID!) { node(id: $id) { id } entry(id: $id) { id } nodes(ids: [$id]) { id } }";
            let data = ledger.data(query, json!({ "id": id })).await;
            assert_eq!(data, json!({ "node": null, "entry": null, "nodes": [null] }), "{before}");
            let release = "mutation ($id: ID!) { releaseHold(input: { hold: $id }) { entry { id } } }";
            let error = ledger.error(release, json!({ "id": id })).await;
            assert_ne!(error["extensions"]["code"], "INTERNAL", "{before}");
        }
    }
}
