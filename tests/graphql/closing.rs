//! Closed books: nothing is posted that counts from before an instant, until somebody who may reopens them.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::recorded_by::sent_by;
use super::server::{Ledger, line};
use crate::http::{access::sign, jwt::claims};

const CLOSE: &str = "mutation ($input: CloseBooksInput!) { closeBooks(input: $input) { closing { codePrefix closedUntil reason } } }";
const REOPEN: &str = "mutation ($input: ReopenBooksInput!) { reopenBooks(input: $input) { closing { codePrefix closedUntil reason } } }";
const POST: &str = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { alreadyPosted entry { id } } }";
const HOLD: &str =
    "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
const CAPTURE: &str =
    "mutation ($input: CaptureHoldInput!) { captureHold(input: $input) { entry { id } } }";
const RELEASE: &str =
    "mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) { entry { id } } }";
const REVERSE: &str =
    "mutation ($input: ReverseEntryInput!) { reverseEntry(input: $input) { entry { id } } }";
const PERIODS: &str = "{ closedPeriods { codePrefix closedUntil } }";

const JANUARY: &str = "2026-01-10T00:00:00.000000Z";
const FEBRUARY: &str = "2026-02-01T00:00:00.000000Z";
const MARCH: &str = "2026-03-01T00:00:00.000000Z";

fn entry(debit: &str, credit: &str, at: &str) -> Value {
    json!({ "input": { "lines": [line(debit, credit, 5, "EUR")], "effectiveAt": at } })
}

fn until(at: &str) -> Value {
    json!({ "input": { "closedUntil": at } })
}

fn of(prefix: &str, at: &str) -> Value {
    json!({ "input": { "closedUntil": at, "codePrefix": prefix } })
}

async fn refused(ledger: &Ledger, query: &str, variables: Value) -> Value {
    let mut error = ledger.error(query, variables).await;
    assert_eq!(error["extensions"]["code"], "PERIOD_CLOSED", "{error}");
    assert_eq!(error["extensions"]["retryable"], false);
    error["extensions"].take()
}

on_every_engine! {
    /// The instant itself is the first that is open.
    async fn no_entry_of_any_kind_counts_from_a_closed_instant(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let posted = ledger.data(POST, entry("cash", "alice", JANUARY)).await["postEntry"]["entry"]["id"].take();
        let mut holds = Vec::new();
        for _ in 0..2 {
            holds.push(ledger.data(HOLD, entry("cash", "alice", JANUARY)).await["placeHold"]["entry"]["id"].take());
        }
        let closed = ledger.data(CLOSE, until(FEBRUARY)).await;
        assert_eq!(closed["closeBooks"]["closing"], json!({ "codePrefix": null, "closedUntil": FEBRUARY, "reason": null }));
        let before = (ledger.count("entry").await, ledger.count("entry_line").await);
        for at in [JANUARY, "2026-01-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"] {
            let told = refused(&ledger, POST, entry("cash", "alice", at)).await;
            assert_eq!((&told["closedUntil"], &told["effectiveAt"], told.get("codePrefix"), &told["field"]), (&json!(FEBRUARY), &json!(at), None, &json!("effectiveAt")), "{told}");
        }
        refused(&ledger, HOLD, entry("cash", "alice", JANUARY)).await;
        let ends = |hold: &Value, at: Option<&str>| json!({ "input": { "hold": hold, "effectiveAt": at } });
        refused(&ledger, CAPTURE, ends(&holds[0], Some(JANUARY))).await;
        refused(&ledger, RELEASE, ends(&holds[1], Some(JANUARY))).await;
        let reverse = |at: Option<&str>| json!({ "input": { "entry": posted, "effectiveAt": at } });
        refused(&ledger, REVERSE, reverse(Some(JANUARY))).await;
        // What is refused for another reason as well is refused for this one: the entry could not be posted whatever is on the account.
        let much = json!({ "input": { "lines": [line("alice", "cash", 500, "EUR")], "effectiveAt": JANUARY } });
        refused(&ledger, POST, much).await;
        assert_eq!((ledger.count("entry").await, ledger.count("entry_line").await), before);
        // What counts from now on is posted, whatever it ends or undoes.
        ledger.data(POST, entry("cash", "alice", FEBRUARY)).await;
        ledger.data(CAPTURE, ends(&holds[0], None)).await;
        ledger.data(RELEASE, ends(&holds[1], None)).await;
        ledger.data(REVERSE, reverse(None)).await;
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    async fn accounts_are_closed_by_prefix(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for code in ["assets:a", "assets:b", "other"] {
            ledger.open(code, "EUR", "DEBIT", "NONE").await;
        }
        ledger.data(CLOSE, of(" assets: ", FEBRUARY)).await;
        ledger.data(CLOSE, of("assets:b", MARCH)).await;
        assert_eq!(refused(&ledger, POST, entry("assets:a", "alice", JANUARY)).await["codePrefix"], "assets:");
        let told = refused(&ledger, POST, entry("alice", "assets:b", FEBRUARY)).await;
        assert_eq!((&told["codePrefix"], &told["accountCode"], &told["closedUntil"]), (&json!("assets:b"), &json!("assets:b"), &json!(MARCH)));
        for (debit, at) in [("other", JANUARY), ("assets:a", FEBRUARY), ("cash", JANUARY)] {
            ledger.data(POST, entry(debit, "alice", at)).await;
        }
        // An account that is opened later is in the group, too.
        ledger.open("assets:later", "EUR", "DEBIT", "NONE").await;
        refused(&ledger, POST, entry("assets:later", "alice", JANUARY)).await;
        let periods = ledger.data(PERIODS, json!({})).await;
        assert_eq!(periods["closedPeriods"], json!([{ "codePrefix": "assets:", "closedUntil": FEBRUARY }, { "codePrefix": "assets:b", "closedUntil": MARCH }]));
        let accounts = ledger.data("{ accounts { edges { node { code closedUntil } } } }", json!({})).await;
        let untils: Vec<_> = accounts["accounts"]["edges"].as_array().unwrap().iter().map(|edge| [&edge["node"]["code"], &edge["node"]["closedUntil"]]).collect();
        let none = Value::Null;
        assert_eq!(untils, [[&json!("alice"), &none], [&json!("assets:a"), &json!(FEBRUARY)], [&json!("assets:b"), &json!(MARCH)], [&json!("assets:later"), &json!(FEBRUARY)], [&json!("cash"), &none], [&json!("other"), &none]]);
        // All accounts, and the group still until later.
        ledger.data(CLOSE, until("2026-02-10T00:00:00.000000Z")).await;
        assert_eq!(refused(&ledger, POST, entry("cash", "alice", FEBRUARY)).await.get("codePrefix"), None);
        assert_eq!(refused(&ledger, POST, entry("assets:b", "alice", "2026-02-20T00:00:00.000000Z")).await["codePrefix"], "assets:b");
        ledger.data(REOPEN, json!({ "input": { "codePrefix": "assets:b" } })).await;
        ledger.data(POST, entry("assets:b", "alice", "2026-02-20T00:00:00.000000Z")).await;
        refused(&ledger, POST, entry("assets:b", "alice", JANUARY)).await;
    }

    async fn the_books_are_reopened_as_far_as_is_said(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(CLOSE, until(MARCH)).await;
        // Again is no change.
        ledger.data(CLOSE, until(MARCH)).await;
        assert_eq!(ledger.count("closing").await, 1);
        let reopened = ledger.data(REOPEN, json!({ "input": { "closedUntil": FEBRUARY, "reason": " a late invoice " } })).await;
        assert_eq!(reopened["reopenBooks"]["closing"], json!({ "codePrefix": null, "closedUntil": FEBRUARY, "reason": "a late invoice" }));
        ledger.data(POST, entry("cash", "alice", FEBRUARY)).await;
        refused(&ledger, POST, entry("cash", "alice", JANUARY)).await;
        ledger.data(REOPEN, json!({ "input": {} })).await;
        ledger.data(POST, entry("cash", "alice", JANUARY)).await;
        assert_eq!(ledger.data(PERIODS, json!({})).await["closedPeriods"], json!([]));
        let observer = ledger.observer().await;
        assert_eq!(observer.i64("SELECT COUNT(*) FROM closed_period").await, 0);
        assert_eq!(observer.i64("SELECT COUNT(*) FROM closing").await, 3);
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    /// A date is the last day that is closed, as it is the last day of every other range.
    async fn a_date_is_closed_as_a_whole(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let closed = ledger.data(CLOSE, until("2026-01-31")).await;
        assert_eq!(closed["closeBooks"]["closing"]["closedUntil"], FEBRUARY);
        refused(&ledger, POST, entry("cash", "alice", "2026-01-31T23:59:59.999999Z")).await;
        ledger.data(POST, entry("cash", "alice", FEBRUARY)).await;
        let berlin = json!({ "input": { "closedUntil": "2026-02-28", "timeZone": "Europe/Berlin" } });
        let closed = ledger.data(CLOSE, berlin).await;
        assert_eq!(closed["closeBooks"]["closing"]["closedUntil"], "2026-02-28T23:00:00.000000Z");
        let reopened = ledger.data(REOPEN, until("2026-01-31")).await;
        assert_eq!(reopened["reopenBooks"]["closing"]["closedUntil"], FEBRUARY);
        let needless = json!({ "input": { "closedUntil": MARCH, "timeZone": "Europe/Berlin" } });
        let error = ledger.error(CLOSE, needless).await;
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!("timeZone")), "{error}");
    }

    async fn what_cannot_be_closed_or_reopened_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.data(CLOSE, until(FEBRUARY)).await;
        let long = "x".repeat(65);
        for (query, variables, field) in [
            (CLOSE, until("2999-01-01T00:00:00.000000Z"), "closedUntil"),
            (CLOSE, until(JANUARY), "closedUntil"),
            (CLOSE, of(&long, JANUARY), "codePrefix"),
            (CLOSE, of("a\u{0}", JANUARY), "codePrefix"),
            (CLOSE, json!({ "input": { "closedUntil": MARCH, "reason": "x".repeat(1001) } }), "reason"),
            (REOPEN, until(FEBRUARY), "closedUntil"),
            (REOPEN, until(MARCH), "closedUntil"),
            (REOPEN, json!({ "input": { "codePrefix": "assets" } }), "codePrefix"),
        ] {
            let error = ledger.error(query, variables.clone()).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("BAD_USER_INPUT"), &json!(field)), "{variables}: {error}");
        }
        assert_eq!(ledger.count("closing").await, 1);
        assert_eq!(ledger.data(PERIODS, json!({})).await["closedPeriods"], json!([{ "codePrefix": null, "closedUntil": FEBRUARY }]));
    }

    /// Each has a scope of its own, and the history says who did it.
    async fn who_may_close_and_who_may_reopen(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        let sent = async |viewer: &str, scopes: &str, query: &str| -> Value {
            let mut claims = claims(scopes);
            claims["sub"] = json!(viewer);
            let request = ledger.request(&json!({ "query": query })).bearer_auth(sign(&claims));
            request.send().await.unwrap().json().await.unwrap()
        };
        let close = format!("mutation {{ closeBooks(input: {{ closedUntil: \"{FEBRUARY}\" }}) {{ closing {{ recordedBy }} }} }}");
        let reopen = "mutation { reopenBooks(input: { reason: \"r\" }) { closing { recordedBy } } }";
        for (scopes, query, scope) in [
            ("ledger:read ledger:write", close.as_str(), "ledger:close"),
            ("ledger:read ledger:write ledger:reopen", close.as_str(), "ledger:close"),
            ("ledger:close", close.as_str(), "ledger:write"),
            ("ledger:write ledger:close", reopen, "ledger:reopen"),
        ] {
            let answer = sent("eve", scopes, query).await;
            let extensions = &answer["errors"][0]["extensions"];
            assert_eq!((&extensions["code"], &extensions["scope"]), (&json!("FORBIDDEN"), &json!(scope)), "{scopes}: {answer}");
        }
        assert_eq!(ledger.count("closing").await, 0);
        let answer = sent("ann", "ledger:write ledger:close", &close).await;
        assert_eq!(answer["data"]["closeBooks"]["closing"]["recordedBy"], "ann", "{answer}");
        // To close what is closed is no change: it was ann.
        let answer = sent("bob", "ledger:write ledger:close", &close).await;
        assert_eq!(answer["data"]["closeBooks"]["closing"]["recordedBy"], "ann", "{answer}");
        let answer = sent("cem", "ledger:write ledger:reopen", reopen).await;
        assert_eq!(answer["data"]["reopenBooks"]["closing"]["recordedBy"], "cem", "{answer}");
        let page = |rest: &str| format!("{{ closings({rest}) {{ edges {{ cursor node {{ closedUntil recordedBy recordedAt reason }} }} totalCount pageInfo {{ hasNextPage endCursor }} }} }}");
        let first = sent_by(&ledger, "fay", &page("first: 1")).await["data"]["closings"].take();
        assert_eq!((&first["edges"][0]["node"]["recordedBy"], &first["edges"][0]["node"]["closedUntil"], &first["pageInfo"]["hasNextPage"]), (&json!("cem"), &Value::Null, &json!(true)));
        assert_eq!(first["totalCount"], 2);
        let second = sent_by(&ledger, "fay", &page(&format!("first: 1, after: {}", first["pageInfo"]["endCursor"]))).await["data"]["closings"].take();
        assert_eq!((&second["edges"][0]["node"]["recordedBy"], &second["edges"][0]["node"]["closedUntil"], &second["pageInfo"]["hasNextPage"]), (&json!("ann"), &json!(FEBRUARY), &json!(false)));
        let who = ledger.observer().await.texts("SELECT recorded_by FROM closing ORDER BY number").await;
        assert_eq!(who, [Some("ann".to_owned()), Some("cem".to_owned())]);
    }

    /// A closing goes through the same unit as an entry: a key, a dry run, a batch of fields.
    async fn closings_keep_the_promises_of_the_unit(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let reference = json!({ "input": { "lines": [line("cash", "alice", 5, "EUR")], "effectiveAt": JANUARY, "reference": "r", "onTakenReference": "RETURN_ENTRY" } });
        ledger.data(POST, reference.clone()).await;
        let dry = ledger.dry_run(CLOSE, until(FEBRUARY)).await;
        assert_eq!(dry["data"]["closeBooks"]["closing"]["closedUntil"], FEBRUARY, "{dry}");
        let both = "mutation ($close: CloseBooksInput!, $post: PostEntryInput!) { closeBooks(input: $close) { closing { closedUntil } } postEntry(input: $post) { entry { id } } }";
        let variables = |at: &str| json!({ "close": until(FEBRUARY)["input"], "post": entry("cash", "alice", at)["input"] });
        refused(&ledger, both, variables(JANUARY)).await;
        assert_eq!((ledger.count("closing").await, ledger.count("closed_period").await), (0, 0));
        ledger.data(POST, entry("cash", "alice", JANUARY)).await;
        let body = json!({ "query": both, "variables": variables(FEBRUARY) });
        for replayed in [false, true] {
            let response = ledger.request(&body).header("idempotency-key", "\"k\"").send().await.unwrap();
            assert_eq!(response.headers().contains_key("idempotency-replayed"), replayed);
        }
        assert_eq!((ledger.count("closing").await, ledger.count("entry").await), (1, 3));
        // An entry that is there is answered, although it could not be posted any more.
        assert_eq!(ledger.data(POST, reference).await["postEntry"]["alreadyPosted"], true);
    }
}
