//! Who had an entry recorded.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, line};
use crate::http::{access::sign, jwt::claims};

/// A token of this viewer.
fn token(viewer: &str) -> String {
    let mut claims = claims("ledger:read ledger:write");
    claims["sub"] = json!(viewer);
    sign(&claims)
}

pub(super) async fn sent_by(ledger: &Ledger, viewer: &str, query: &str) -> Value {
    let request = ledger
        .request(&json!({ "query": query }))
        .bearer_auth(token(viewer));
    request.send().await.unwrap().json().await.unwrap()
}

on_every_engine! {
    async fn an_entry_names_the_viewer_who_had_it_recorded(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        for (code, side) in [("cash", "DEBIT"), ("alice", "CREDIT")] {
            let open = format!("mutation {{ openAccount(input: {{ code: \"{code}\", name: \"n\", currency: \"EUR\", normalSide: {side} }}) {{ account {{ id }} }} }}");
            assert_eq!(sent_by(&ledger, "ann", &open).await.get("errors"), None);
        }
        let lines = "lines: [{ debit: { code: \"cash\" }, credit: { code: \"alice\" }, amount: 5, currency: \"EUR\" }]";
        let strange = "Zoë 資 \u{1f600} 'x' ; --";
        let post = format!("mutation {{ postEntry(input: {{ {lines} reference: \"r\" onTakenReference: RETURN_ENTRY }}) {{ entry {{ id recordedBy }} }} }}");
        let posted = sent_by(&ledger, strange, &post).await;
        let entry = &posted["data"]["postEntry"]["entry"];
        assert_eq!(entry["recordedBy"], strange, "{posted}");
        // An entry that was there keeps the viewer who was first.
        assert_eq!(sent_by(&ledger, "bob", &post).await["data"]["postEntry"]["entry"], *entry);
        let hold = sent_by(&ledger, "bob", &format!("mutation {{ placeHold(input: {{ {lines} }}) {{ entry {{ id recordedBy }} }} }}")).await;
        let hold = &hold["data"]["placeHold"]["entry"];
        assert_eq!(hold["recordedBy"], "bob");
        let (id, hold) = (entry["id"].as_str().unwrap(), hold["id"].as_str().unwrap());
        let captured = sent_by(&ledger, "cem", &format!("mutation {{ captureHold(input: {{ hold: \"{hold}\" }}) {{ entry {{ recordedBy resolves {{ recordedBy }} }} }} }}")).await;
        assert_eq!(captured["data"]["captureHold"]["entry"], json!({ "recordedBy": "cem", "resolves": { "recordedBy": "bob" } }));
        let reversed = sent_by(&ledger, "dan", &format!("mutation {{ reverseEntry(input: {{ entry: \"{id}\" }}) {{ entry {{ recordedBy reverses {{ recordedBy }} }} }} }}")).await;
        assert_eq!(reversed["data"]["reverseEntry"]["entry"], json!({ "recordedBy": "dan", "reverses": { "recordedBy": strange } }));

        let stored = ledger.observer().await.texts("SELECT recorded_by FROM entry ORDER BY id").await;
        let names: Vec<_> = stored.iter().map(|name| name.as_deref().unwrap()).collect();
        assert_eq!(names, [strange, "bob", "cem", "dan"]);
        // A name that cannot be stored is no name: the token is refused, and nothing is posted.
        for viewer in ["", "a\u{0}b", &"x".repeat(1025)] {
            let refused = sent_by(&ledger, viewer, &post).await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{refused}");
        }
        let longest = "ß".repeat(1024);
        let again = sent_by(&ledger, &longest, &format!("mutation {{ postEntry(input: {{ {lines} }}) {{ entry {{ recordedBy }} }} }}")).await;
        assert_eq!(again["data"]["postEntry"]["entry"]["recordedBy"], longest);
    }

    async fn without_authentication_nobody_is_named(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let query = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { recordedBy } } }";
        let posted = ledger.data(query, json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")] } })).await;
        assert_eq!(posted["postEntry"]["entry"]["recordedBy"], Value::Null);
        let named = "SELECT COUNT(*) FROM entry WHERE recorded_by IS NOT NULL";
        assert_eq!(ledger.observer().await.i64(named).await, 0);
    }
}
