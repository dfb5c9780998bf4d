//! Metadata that is added to entries, and what it was before.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::recorded_by::sent_by;
use super::server::{Ledger, line};

const ANNOTATE: &str = "mutation ($input: AnnotateEntryInput!) { annotateEntry(input: $input) { entry { metadata changes { number } } } }";
const POST: &str = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { alreadyPosted entry { id metadata } } }";
const FEED: &str =
    "subscription ($accounts: [AccountRef!]) { entryChanged(accounts: $accounts, after: \"0\") {
    cursor behind change { number before after entry { reference metadata } } } }";

fn annotate(reference: &str, metadata: &Value, replace: bool) -> Value {
    json!({ "input": { "entry": { "reference": reference }, "metadata": metadata, "replace": replace } })
}

fn entry(reference: &str, credit: &str, metadata: &Value) -> Value {
    json!({ "input": { "lines": [line("cash", credit, 5, "EUR")], "reference": reference, "metadata": metadata, "onTakenReference": "RETURN_ENTRY" } })
}

on_every_engine! {
    async fn metadata_is_added_and_what_it_was_is_kept(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        for (code, side) in [("cash", "DEBIT"), ("alice", "CREDIT")] {
            let open = format!("mutation {{ openAccount(input: {{ code: \"{code}\", name: \"n\", currency: \"EUR\", normalSide: {side} }}) {{ account {{ id }} }} }}");
            assert_eq!(sent_by(&ledger, "ann", &open).await.get("errors"), None);
        }
        let post = "mutation { postEntry(input: { reference: \"r\", metadata: { order: 1 }, lines: [{ debit: { code: \"cash\" }, credit: { code: \"alice\" }, amount: 5, currency: \"EUR\" }] }) { entry { id } } }";
        let id = sent_by(&ledger, "ann", post).await["data"]["postEntry"]["entry"]["id"].take();
        let add = async |viewer: &str, entry: String, rest: &str| {
            let text = format!("mutation {{ annotateEntry(input: {{ entry: {{ {entry} }}, metadata: {rest} }}) {{ entry {{ metadata }} }} }}");
            sent_by(&ledger, viewer, &text).await
        };
        let by_id = format!("id: \"{}\"", id.as_str().unwrap());
        let added = add("bob", by_id.clone(), "{ payout: \"p\", order: 1 }").await;
        assert_eq!(added["data"]["annotateEntry"]["entry"]["metadata"], json!({ "order": 1, "payout": "p" }), "{added}");
        // The same again is no change; another value is refused, until it is asked for.
        add("cem", by_id.clone(), "{ payout: \"p\" }").await;
        let refused = add("cem", by_id.clone(), "{ payout: \"q\", order: 2, new: true }").await;
        let extensions = &refused["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["keys"], &extensions["entryId"]), (&json!("METADATA_KEY_TAKEN"), &json!(["order", "payout"]), &id), "{refused}");
        let replaced = add("dan", "reference: \" r \"".to_owned(), "{ payout: null }, replace: true").await;
        assert_eq!(replaced["data"]["annotateEntry"]["entry"]["metadata"], json!({ "order": 1, "payout": null }), "{replaced}");

        let query = "{ entry(by: { reference: \"r\" }) { metadata recordedBy changes { number before after recordedBy recordedAt entry { id } } } }";
        let entry = sent_by(&ledger, "eve", query).await["data"]["entry"].take();
        let changes = entry["changes"].as_array().unwrap();
        let told: Vec<_> = changes.iter().map(|it| [&it["number"], &it["recordedBy"], &it["before"], &it["after"], &it["entry"]["id"]]).collect();
        let (first, second, third) = (json!({ "order": 1 }), json!({ "order": 1, "payout": "p" }), json!({ "order": 1, "payout": null }));
        assert_eq!(told, [[&json!(2), &json!("dan"), &second, &third, &id], [&json!(1), &json!("bob"), &first, &second, &id]]);
        assert_eq!((&entry["metadata"], &entry["recordedBy"]), (&third, &json!("ann")));
        let observer = ledger.observer().await;
        let kept = observer.texts("SELECT recorded_by FROM entry_change ORDER BY number").await;
        assert_eq!(kept, [Some("bob".to_owned()), Some("dan".to_owned())]);
    }

    /// PostgreSQL has one form for each number, and the other engines keep it as it was written.
    async fn another_form_of_a_number_is_no_change(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let metadata = json!({ "one": 1.0, "hundred": 100, "deep": { "list": [2, 2.5] }, "long": 9_007_199_254_740_993_u64 });
        ledger.data(POST, entry("r", "alice", &metadata)).await;
        let forms = [
            json!({ "one": 1 }),
            json!({ "hundred": 1e2 }),
            json!({ "deep": { "list": [2.0, 2.5] }, "long": 9_007_199_254_740_993_u64 }),
        ];
        for (form, replace) in forms.iter().flat_map(|form| [(form, false), (form, true)]) {
            let annotated = ledger.data(ANNOTATE, annotate("r", form, replace)).await;
            assert_eq!(annotated["annotateEntry"]["entry"]["changes"], json!([]), "{form}");
        }
        let long = json!({ "long": 9_007_199_254_740_992_u64 });
        let annotated = ledger.data(ANNOTATE, annotate("r", &long, true)).await;
        assert_eq!(annotated["annotateEntry"]["entry"]["changes"], json!([{ "number": 1 }]));
    }

    async fn what_cannot_be_added_is_refused_and_changes_nothing(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(POST, entry("r", "alice", &json!({ "a": 1 }))).await;
        for metadata in [json!([]), json!("x"), json!({ "b": "x".repeat(16_380) }), json!({ "b": "\u{0}" }), json!({ "b": 1e300 })] {
            let error = ledger.error(ANNOTATE, annotate("r", &metadata, true)).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!("metadata")), "{error}");
        }
        for reference in ["nothing", "", "\u{0}"] {
            let error = ledger.error(ANNOTATE, annotate(reference, &json!({ "b": 1 }), false)).await;
            assert_eq!(error["extensions"]["code"], "ENTRY_NOT_FOUND", "{error}");
        }
        assert_eq!(ledger.count("entry_change").await, 0);
        // As often as an entry can be changed, and once more.
        for turn in 0..10 {
            let fields = (0..10).map(|n| format!("f{n}: annotateEntry(input: {{ entry: {{ reference: \"r\" }}, metadata: {{ n: \"{turn} {n}\" }}, replace: true }}) {{ entry {{ id }} }}"));
            ledger.data(&format!("mutation {{ {} }}", fields.collect::<String>()), json!({})).await;
        }
        let error = ledger.error(ANNOTATE, annotate("r", &json!({ "n": "once more" }), true)).await;
        assert!(error["message"].as_str().unwrap().contains("100 times"), "{error}");
        assert_eq!(ledger.count("entry_change").await, 100);
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    /// What was added later does not make an entry that is sent again another one.
    async fn an_entry_is_repeated_by_what_it_was_posted_with(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let first = ledger.data(POST, entry("r", "alice", &json!({ "a": 1 }))).await;
        ledger.data(ANNOTATE, annotate("r", &json!({ "b": 2 }), false)).await;
        let again = ledger.data(POST, entry("r", "alice", &json!({ "a": 1 }))).await;
        assert_eq!((&again["postEntry"]["alreadyPosted"], &again["postEntry"]["entry"]["id"]), (&json!(true), &first["postEntry"]["entry"]["id"]));
        assert_eq!(again["postEntry"]["entry"]["metadata"], json!({ "a": 1, "b": 2 }));
        for other in [json!({ "a": 1, "b": 2 }), json!({}), json!({ "a": 2 })] {
            let error = ledger.error(POST, entry("r", "alice", &other)).await;
            assert_eq!(error["extensions"]["differs"], json!(["metadata"]), "{error}");
        }
    }

    async fn subscribers_hear_of_metadata_that_was_added(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        let mut all = ledger.subscribe(FEED, json!({})).await;
        let mut of_bob = ledger.subscribe(FEED, json!({ "accounts": [{ "code": "bob" }] })).await;
        for (reference, credit) in [("a", "alice"), ("b", "bob")] {
            ledger.data(POST, entry(reference, credit, &json!({}))).await;
            ledger.data(ANNOTATE, annotate(reference, &json!({ "of": reference }), false)).await;
        }
        let told = |event: &Value| { let change = &event["data"]["entryChanged"]["change"]; (change["entry"]["reference"].clone(), change["before"].clone(), change["after"].clone()) };
        let expected = |of: &str| (json!(of), json!({}), json!({ "of": of }));
        assert_eq!([told(&all.event().await), told(&all.event().await)], [expected("a"), expected("b")]);
        assert_eq!(told(&of_bob.event().await), expected("b"));
        // Those who hear of entries hear of each once, as it was posted.
        let mut entries = ledger.subscribe("subscription { entryPosted(after: \"0\") { entry { reference } } }", json!({})).await;
        let heard = [entries.event().await, entries.event().await].map(|event| event["data"]["entryPosted"]["entry"]["reference"].clone());
        assert_eq!(heard, [json!("a"), json!("b")]);
    }

    /// Two at the same time: each is a change of its own, and neither loses what the other has added.
    async fn many_at_once_lose_nothing(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(POST, entry("r", "alice", &json!({}))).await;
        let body = json!({ "query": ANNOTATE, "variables": annotate("r", &json!({ "keyed": 1 }), false) });
        for replayed in [false, true] {
            let response = ledger.request(&body).header("idempotency-key", "\"k\"").send().await.unwrap();
            assert_eq!(response.headers().contains_key("idempotency-replayed"), replayed);
        }
        ledger.dry_run(ANNOTATE, annotate("r", &json!({ "dry": 1 }), false)).await;
        join_all((0..16).map(|n| { let ledger = &ledger; async move { ledger.data(ANNOTATE, annotate("r", &json!({ (format!("k{n}")): n }), false)).await } })).await;
        let data = ledger.data("{ entry(by: { reference: \"r\" }) { metadata changes { number } } verifyLedger { ok } }", json!({})).await;
        assert_eq!(data["entry"]["metadata"].as_object().unwrap().len(), 17, "{data}");
        assert_eq!((data["entry"]["changes"].as_array().unwrap().len(), &data["verifyLedger"]["ok"]), (17, &json!(true)));
        assert_eq!(ledger.count("entry_change").await, 17);
    }
}
