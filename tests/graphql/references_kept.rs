//! References and idempotency keys together, and after a restart of the server.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::{process::Process, server::line};

const POST: &str = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { alreadyPosted entry { id } } }";

/// A post of 5 under a reference, with a key if there is one: the answer, and whether it was replayed.
async fn post(address: &str, key: Option<&str>, reference: &str, on_taken: &str) -> (Value, bool) {
    let input = json!({ "lines": [line("cash", "alice", 5, "EUR")], "reference": reference, "onTakenReference": on_taken });
    let body = json!({ "query": POST, "variables": { "input": input } });
    let mut request = reqwest::Client::new()
        .post(format!("http://{address}/graphql"))
        .json(&body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.unwrap();
    let replayed = response.headers().contains_key("idempotency-replayed");
    (response.json().await.unwrap(), replayed)
}

on_every_engine! {
    /// A key replays the answer, whatever it was; a reference is used up by the entry alone, and a refusal frees the key.
    async fn a_key_replays_and_a_reference_is_for_ever_also_after_a_restart(test: TestDatabase) {
        let url = test.url().to_owned();
        let observer = test.observer().await;
        let mut server = Process::start(&url);
        let open = "mutation { a: openAccount(input: { code: \"cash\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }) { account { id } }
            b: openAccount(input: { code: \"alice\", name: \"n\", currency: \"EUR\", normalSide: CREDIT }) { account { id } } }";
        let sent = reqwest::Client::new().post(format!("http://{}/graphql", server.address)).json(&json!({ "query": open })).send().await.unwrap();
        assert!(sent.status().is_success());

        let (first, replayed) = post(&server.address, Some("key-1"), "order-1", "REFUSE").await;
        let id = first["data"]["postEntry"]["entry"]["id"].clone();
        assert!(id.is_string() && !replayed, "{first}");
        for restart in [false, true] {
            if restart {
                server.kill();
                server = Process::start(&url);
            }
            let address = &server.address;
            // The same request: the stored answer, in which nothing was there before.
            let (again, replayed) = post(address, Some("key-1"), "order-1", "REFUSE").await;
            assert_eq!((&again["data"], replayed), (&first["data"], true), "{again}");
            // Another key: the entry is there.
            let (refused, _) = post(address, Some("key-2"), "order-1", "REFUSE").await;
            let extensions = &refused["errors"][0]["extensions"];
            assert_eq!((&extensions["code"], &extensions["entryId"]), (&json!("REFERENCE_TAKEN"), &id), "{refused}");
            for key in [None, Some(if restart { "key-4" } else { "key-3" })] {
                let (returned, replayed) = post(address, key, "order-1", "RETURN_ENTRY").await;
                let posted = &returned["data"]["postEntry"];
                assert_eq!((&posted["alreadyPosted"], &posted["entry"]["id"], replayed), (&json!(true), &id, false), "{returned}");
            }
            // The same key with another reference is another request.
            let (reused, _) = post(address, Some("key-1"), "order-2", "REFUSE").await;
            assert_eq!(reused["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED", "{reused}");
            let found = json!({ "query": "{ entry(by: { reference: \"order-1\" }) { id } }" });
            let found: Value = reqwest::Client::new().post(format!("http://{address}/graphql")).json(&found).send().await.unwrap().json().await.unwrap();
            assert_eq!(found["data"]["entry"]["id"], id);
            assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, 1);
        }
        // A refusal has freed its key: with a new reference it posts.
        let (posted, replayed) = post(&server.address, Some("key-2"), "order-2", "REFUSE").await;
        assert_eq!((&posted["data"]["postEntry"]["alreadyPosted"], replayed), (&json!(false), false), "{posted}");
        assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, 2);
    }
}
