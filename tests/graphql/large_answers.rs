//! Answers that turn out larger than could be known before.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::{
    documents::{ALL, Transport, send},
    server::Ledger,
};

on_every_engine! {
    /// An entry can have a thousand lines, which is known only when it is read. They are counted then.
    async fn an_answer_that_turns_out_too_large_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_complexity(test, 1_000).await;
        let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": 1, "currency": "EUR" });
        let variables = json!({ "input": { "lines": vec![line; 300] } });
        let posted = ledger.data("mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id lines { id } } } }", variables.clone()).await;
        assert_eq!(posted["postEntry"]["entry"]["lines"].as_array().map(Vec::len), Some(300));
        let id = &posted["postEntry"]["entry"]["id"];
        let many = "a: lines { id } b: lines { id } ...F";
        let fragment = "fragment F on Entry { c: lines { id } d: lines { id } }";
        let documents = [
            (format!("{{ entries(first: 1) {{ edges {{ node {{ {many} }} }} }} }} {fragment}"), "entries"),
            (format!("{{ entry(id: {id}) {{ {many} }} }} {fragment}"), "entry"),
            (format!("{{ node(id: {id}) {{ ... on Entry {{ {many} }} }} }} {fragment}"), "node"),
        ];
        for by in ALL.into_iter().chain([Transport::Get]) {
            for (document, key) in &documents {
                let response = send(&ledger, by, document, &json!({})).await;
                let error = &response["errors"][0];
                assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE", "{by:?}: {key}: {error}");
                assert_eq!(error["extensions"]["limit"], "complexity", "{by:?}: {error}");
                assert_eq!(error["path"][0], **key, "{by:?}: {error}");
                assert!(response["data"].is_null() || response["data"][key].is_null(), "{by:?}: {error}");
            }
            // One list alone is not too large, however often it is asked for.
            let usual = format!("{{ entry(id: {id}) {{ lines {{ id amount {{ decimal }} }} }} }}");
            let response = send(&ledger, by, &usual, &json!({})).await;
            assert_eq!(response["data"]["entry"]["lines"].as_array().map(Vec::len), Some(300), "{by:?}: {}", response["errors"]);
        }
        // The lines of a new entry are those of its input: counted before anything runs.
        let mutation = format!("mutation ($input: PostEntryInput!) {{ postEntry(input: $input) {{ entry {{ {many} }} }} }} {fragment}");
        for by in ALL {
            let response = send(&ledger, by, &mutation, &variables).await;
            let extensions = &response["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "GRAPHQL_VALIDATION_FAILED", "{by:?}: {extensions}");
            assert_eq!(extensions["limit"], "complexity", "{by:?}: {extensions}");
        }
        // Those of a reversal are not: it is rolled back.
        let reversal = format!("mutation {{ reverseEntry(input: {{ entry: {id} }}) {{ entry {{ {many} }} }} }} {fragment}");
        let response = send(&ledger, Transport::Post, &reversal, &json!({})).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], "ANSWER_TOO_LARGE", "{response}");
        assert_eq!(ledger.count("entry").await, 1);
        // Each event is an answer of its own.
        let mut feed = ledger.subscribe("subscription { entryPosted(after: \"0\") { entry { lines { id amount { decimal } } } } }", json!({})).await;
        for _ in 0..3 {
            let event = feed.event().await;
            assert_eq!(event["data"]["entryPosted"]["entry"]["lines"].as_array().map(Vec::len), Some(300), "{event}");
            ledger.data("mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }", variables.clone()).await;
        }
    }
    /// So can an entry be reversed in many parts.
    async fn an_answer_with_too_many_parts_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_complexity(test, 200).await;
        let paid = ledger.post("cash", "alice", 100).await["entry"]["id"].take();
        let reverse = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { entry { id } } }";
        for _ in 0..30 {
            ledger.data(reverse, json!({ "input": { "entry": paid, "amounts": "1" } })).await;
        }
        let usual = format!("{{ entry(id: {paid}) {{ reversals {{ id }} }} }}");
        let answer = ledger.data(&usual, json!({})).await;
        assert_eq!(answer["entry"]["reversals"].as_array().map(Vec::len), Some(30), "{answer}");
        let many = format!("{{ entry(id: {paid}) {{ a: reversals {{ id metadata }} b: reversals {{ id metadata }} c: reversals {{ id metadata }} d: reversals {{ id metadata }} }} }}");
        let refused = send(&ledger, Transport::Post, &many, &json!({})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "ANSWER_TOO_LARGE", "{refused}");
    }
}
