//! References: at most one entry for each, for ever, and the answer to an entry that is sent again.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::server::{Ledger, line};

const POST: &str = "mutation ($input: PostEntryInput!) { postEntry(input: $input) {
  alreadyPosted entry { id reference } accounts { code balances { posted { amount } } }
} }";
const HOLD: &str = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { alreadyPosted entry { id reference } } }";
const CAPTURE: &str = "mutation ($input: CaptureHoldInput!) { captureHold(input: $input) { alreadyPosted entry { id reference } } }";
const RELEASE: &str = "mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) { alreadyPosted entry { id reference } } }";
const REVERSE: &str = "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { alreadyPosted entry { id reference } } }";
const FIND: &str =
    "query ($reference: String!) { entry(by: { reference: $reference }) { id reference } }";
const STATUS: &str = "mutation ($input: SetAccountStatusInput!) { setAccountStatus(input: $input) { account { status } } }";

/// The input of an entry that moves so much from `cash` to `alice`, under a reference.
fn deposit(amount: i64, reference: &str) -> Value {
    json!({ "lines": [line("cash", "alice", amount, "EUR")], "reference": reference })
}

/// `input`, which is to be answered with the first entry of its reference.
fn repeated(mut input: Value) -> Value {
    input["onTakenReference"] = json!("RETURN_ENTRY");
    input
}

/// The one field of the answer.
async fn done(ledger: &Ledger, query: &str, input: &Value) -> Value {
    let data = ledger.data(query, json!({ "input": input })).await;
    data.as_object().unwrap().values().next().unwrap().clone()
}

/// Asserts that `input` is refused because of its reference, and answers the details.
async fn taken(ledger: &Ledger, query: &str, input: &Value, by: &Value) -> Value {
    let mut error = ledger.error(query, json!({ "input": input })).await;
    let extensions = &error["extensions"];
    assert_eq!(extensions["code"], "REFERENCE_TAKEN", "{error}");
    assert_eq!(extensions["entryId"], *by, "{error}");
    assert_eq!(extensions["field"], "reference", "{error}");
    assert_eq!(extensions["retryable"], false, "{error}");
    error["extensions"].take()
}

async fn is_sound(ledger: &Ledger) {
    let check = ledger.data("{ verifyLedger { ok } }", json!({})).await;
    assert_eq!(check["verifyLedger"]["ok"], true);
}

on_every_engine! {
    /// Whatever kind of entry has a reference, no entry of any kind gets it again.
    async fn a_reference_is_that_of_one_entry(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let first = done(&ledger, POST, &deposit(1000, " caf\u{e9} 7 ")).await;
        assert_eq!((&first["alreadyPosted"], &first["entry"]["reference"]), (&json!(false), &json!("café 7")));
        let id = &first["entry"]["id"];
        for same in ["café 7", "cafe\u{301} 7", "\tcafé 7\n"] {
            assert_eq!(ledger.data(FIND, json!({ "reference": same })).await["entry"]["id"], *id);
        }
        for other in ["Café 7", "café", "café 7%", "", "a\u{200b}", "x\u{0}", &"x".repeat(100_000)] {
            assert_eq!(ledger.data(FIND, json!({ "reference": other })).await["entry"], Value::Null);
        }
        let open = json!({ "lines": [line("alice", "cash", 10, "EUR")] });
        let hold = done(&ledger, HOLD, &open).await["entry"]["id"].take();
        let again = "cafe\u{301} 7";
        for (query, input) in [
            (POST, deposit(1000, again)),
            (HOLD, json!({ "lines": [line("alice", "cash", 10, "EUR")], "reference": again })),
            (CAPTURE, json!({ "hold": hold, "reference": again })),
            (RELEASE, json!({ "hold": hold, "reference": again })),
            (REVERSE, json!({ "entry": id, "reference": again })),
        ] {
            let details = taken(&ledger, query, &input, id).await;
            assert_eq!((&details["reference"], &details["differs"]), (&json!("café 7"), &json!([])));
        }
        assert_eq!((ledger.balance("alice").await, ledger.count("entry").await), (1000, 2));
        // Without a reference, entries do not get into each other's way.
        done(&ledger, RELEASE, &json!({ "hold": hold })).await;
        done(&ledger, REVERSE, &json!({ "entry": id })).await;
        let stored = "SELECT COUNT(*) FROM entry WHERE reference IS NOT NULL";
        assert_eq!(ledger.observer().await.i64(stored).await, 1);
        is_sound(&ledger).await;
    }

    async fn a_reference_that_cannot_be_seen_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let long = "x".repeat(100_000);
        for text in ["", "  ", "\u{200b}", "a\u{202e}b", "a\nb", "a\u{0}b", "a\u{a0}b", &"ß".repeat(201), &long] {
            let error = ledger.error(POST, json!({ "input": deposit(1, text) })).await;
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{error}");
            assert_eq!(error["extensions"]["field"], "reference", "{error}");
            assert!(error["message"].as_str().unwrap().len() < 200, "{error}");
        }
        let nameless = repeated(json!({ "lines": [line("cash", "alice", 1, "EUR")] }));
        let error = ledger.error(POST, json!({ "input": nameless })).await;
        assert_eq!(error["extensions"]["field"], "onTakenReference", "{error}");
        assert_eq!(ledger.count("entry").await, 0);
        done(&ledger, POST, &deposit(1, &"ß".repeat(200))).await;
    }

    /// What was rolled back has not used its reference up; within one operation a reference is used once.
    async fn only_a_commit_uses_a_reference_up(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let two = "mutation ($a: PostEntryInput!, $b: PostEntryInput!) {
          a: postEntry(input: $a) { alreadyPosted entry { id } } b: postEntry(input: $b) { alreadyPosted entry { id } }
        }";
        let back = json!({ "lines": [line("alice", "cash", 500, "EUR")] });
        let error = ledger.error(two, json!({ "a": deposit(5, "r-1"), "b": back })).await;
        assert_eq!(error["extensions"]["code"], "INSUFFICIENT_FUNDS");
        let dry = ledger.dry_run(POST, json!({ "input": deposit(5, "r-1") })).await;
        assert_eq!(dry["data"]["postEntry"]["entry"]["reference"], "r-1", "{dry}");
        let error = ledger.error(two, json!({ "a": deposit(5, "r-1"), "b": deposit(5, "r-1") })).await;
        assert_eq!(error["extensions"]["code"], "REFERENCE_TAKEN");
        let batch = json!([{ "query": POST, "variables": { "input": deposit(5, "r-1") } }, { "query": POST, "variables": { "input": deposit(5, " r-1") } }]);
        let answers: Value = ledger.request(&batch).header("x-batch", "all-or-nothing").send().await.unwrap().json().await.unwrap();
        assert!(answers.to_string().contains("REFERENCE_TAKEN"), "{answers}");
        assert_eq!(ledger.count("entry").await, 0);

        let both = ledger.data(two, json!({ "a": deposit(5, "r-1"), "b": repeated(deposit(5, "r-1")) })).await;
        assert_eq!(both["a"]["entry"], both["b"]["entry"]);
        assert_eq!((&both["a"]["alreadyPosted"], &both["b"]["alreadyPosted"]), (&json!(false), &json!(true)));
        let answers: Value = ledger.request(&batch).header("x-batch", "each").send().await.unwrap().json().await.unwrap();
        assert_eq!(answers.to_string().matches("REFERENCE_TAKEN").count(), 2, "{answers}");
        assert_eq!((ledger.count("entry").await, ledger.balance("alice").await), (1, 5));
    }

    /// The first entry is the answer, although the account has been frozen, or its version has changed, since.
    async fn an_entry_sent_again_is_answered_with_the_first(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let mut input = repeated(deposit(1000, "order"));
        input["expect"] = json!([{ "account": { "code": "alice" }, "version": "0" }]);
        input["metadata"] = json!({ "b": [1, 2.5, null], "a": "x" });
        let first = done(&ledger, POST, &input).await;
        done(&ledger, STATUS, &json!({ "account": { "code": "alice" }, "status": "FROZEN" })).await;
        let again = done(&ledger, POST, &input).await;
        assert_eq!(again["alreadyPosted"], true);
        assert_eq!((&again["entry"], &again["accounts"]), (&first["entry"], &first["accounts"]));
        done(&ledger, STATUS, &json!({ "account": { "code": "alice" }, "status": "OPEN" })).await;

        let held = repeated(json!({ "lines": [line("alice", "cash", 700, "EUR")], "reference": "hold", "expiresAt": "2999-01-01T00:00:00Z" }));
        let hold = done(&ledger, HOLD, &held).await["entry"]["id"].take();
        let captured = repeated(json!({ "hold": hold, "amounts": ["300"], "reference": "capture" }));
        let capture = done(&ledger, CAPTURE, &captured).await["entry"]["id"].take();
        let reversed = repeated(json!({ "entry": capture, "reference": "reversal" }));
        let reversal = done(&ledger, REVERSE, &reversed).await["entry"]["id"].take();
        let other = json!({ "lines": [line("alice", "cash", 1, "EUR")] });
        let other = done(&ledger, HOLD, &other).await["entry"]["id"].take();
        let released = repeated(json!({ "hold": other, "reference": "release" }));
        let release = done(&ledger, RELEASE, &released).await["entry"]["id"].take();
        for (query, input, id) in [(HOLD, &held, &hold), (CAPTURE, &captured, &capture), (REVERSE, &reversed, &reversal), (RELEASE, &released, &release)] {
            let again = done(&ledger, query, input).await;
            assert_eq!((&again["alreadyPosted"], &again["entry"]["id"]), (&json!(true), id), "{query}");
        }

        let with = |field: &str, value: Value| {
            let mut input = input.clone();
            input[field] = value;
            input
        };
        let id = &first["entry"]["id"];
        for (query, input, differs, entry) in [
            (POST, with("lines", json!([line("cash", "alice", 999, "EUR")])), json!(["lines[0]"]), id),
            (POST, with("lines", json!([line("alice", "cash", 1000, "EUR")])), json!(["lines[0]"]), id),
            (POST, with("lines", json!([line("cash", "alice", 1000, "EUR"), line("cash", "alice", 1, "EUR")])), json!(["lines"]), id),
            (POST, with("description", json!("x")), json!(["description"]), id),
            (POST, with("metadata", Value::Null), json!(["metadata"]), id),
            (POST, with("effectiveAt", json!("2026-01-01T00:00:00Z")), json!(["effectiveAt"]), id),
            (CAPTURE, repeated(json!({ "hold": other, "reference": "release" })), json!(["kind", "lines[0]"]), &release),
            (CAPTURE, repeated(json!({ "hold": hold, "amounts": ["301"], "reference": "capture" })), json!(["lines[0]", "lines[1]"]), &capture),
            (REVERSE, repeated(json!({ "entry": id, "reference": "reversal" })), json!(["entry", "lines[0]"]), &reversal),
        ] {
            let details = taken(&ledger, query, &input, entry).await;
            assert_eq!(details["differs"], differs, "{input}");
        }
        assert_eq!((ledger.count("entry").await, ledger.balance("alice").await), (6, 1000));
        is_sound(&ledger).await;
    }

    /// The clients use different accounts, so that only the reference is between them.
    async fn of_posts_at_the_same_moment_one_is_posted(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for number in 0..6 {
            ledger.open(&format!("till-{number}"), "EUR", "DEBIT", "NONE").await;
            ledger.open(&format!("user-{number}"), "EUR", "CREDIT", "NONE").await;
        }
        for round in 0..5 {
            let reference = format!("race-{round}");
            let posts = (0..6).map(|number| {
                let lines = json!([line(&format!("till-{number}"), &format!("user-{number}"), 7, "EUR")]);
                ledger.run(POST, json!({ "input": { "lines": lines, "reference": reference } }))
            });
            let answers = join_all(posts).await;
            let (posted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.get("errors").is_none());
            assert_eq!(posted.len(), 1, "{answers:?}");
            for answer in refused {
                let extensions = &answer["errors"][0]["extensions"];
                assert_eq!(extensions["code"], "REFERENCE_TAKEN", "{answer}");
                assert_eq!(extensions["entryId"], posted[0]["data"]["postEntry"]["entry"]["id"], "{answer}");
            }
            let same = repeated(deposit(1, &format!("same-{round}")));
            let answers = join_all((0..6).map(|_| done(&ledger, POST, &same))).await;
            assert!(answers.iter().all(|answer| answer["entry"] == answers[0]["entry"]), "{answers:?}");
            assert_eq!(answers.iter().filter(|answer| answer["alreadyPosted"] == false).count(), 1);
        }
        assert_eq!((ledger.count("entry").await, ledger.count("outbox WHERE entry_id IS NOT NULL").await, ledger.balance("alice").await), (10, 10, 5));
        is_sound(&ledger).await;
    }

    async fn an_entry_is_asked_for_in_one_way(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let id = done(&ledger, POST, &deposit(1, "one")).await["entry"]["id"].take();
        let found = ledger.data("query ($id: ID!) { old: entry(id: $id) { id } new: entry(by: { id: $id }) { id } }", json!({ "id": id })).await;
        assert_eq!((&found["old"]["id"], &found["new"]["id"]), (&id, &id));
        for query in ["{ entry { id } }", "{ entry(id: null) { id } }", "{ entry(id: \"x\", by: { reference: \"one\" }) { id } }"] {
            let answer = ledger.run(query, json!({})).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        }
        // One statement for all that an operation looks up.
        let several = ledger.run("{ a: entry(by: { reference: \"one\" }) { id } b: entry(by: { reference: \"two\" }) { id } }", json!({})).await;
        assert_eq!((&several["data"]["a"]["id"], &several["data"]["b"]), (&id, &Value::Null), "{several}");
    }
}
