//! Changes of what describes an account: who made them, what was before, and what subscribers hear of them.

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::process::Process;
use super::recorded_by::sent_by;
use super::server::{Ledger, POST, Subscription, line};

const UPDATE: &str = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) {
    account { code name class limitPolicy metadata revision balances { version } } } }";
const CHANGES: &str = "query ($code: String!, $first: Int, $after: String, $last: Int, $before: String) { account(by: { code: $code }) { revision
    changes(first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { revision recordedBy recordedAt
            before { name class limitPolicy status metadata } after { name class limitPolicy status metadata } account { code } } }
        totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
const FEED: &str = "subscription ($accounts: [AccountRef!], $after: String) { accountChanged(accounts: $accounts, after: $after) {
    cursor behind change { revision recordedBy before { name } after { name status } account { code name } } } }";

fn update(code: &str, fields: &Value) -> Value {
    let mut input = json!({ "account": { "code": code } });
    for (name, value) in fields.as_object().unwrap() {
        input[name] = value.clone();
    }
    json!({ "input": input })
}

fn state(name: &str, class: &Value, policy: &str, status: &str, metadata: &Value) -> Value {
    json!({ "name": name, "class": class, "limitPolicy": policy, "status": status, "metadata": metadata })
}

/// The revisions of a page, in its order.
fn revisions(page: &Value) -> Vec<&str> {
    let edges = page["edges"].as_array().unwrap().iter();
    edges
        .map(|edge| edge["node"]["revision"].as_str().unwrap())
        .collect()
}

on_every_engine! {
    async fn each_change_is_kept_with_what_was_before_and_who_made_it(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        let done = async |viewer: &str, text: &str| {
            let answer = sent_by(&ledger, viewer, &format!("mutation {{ {text} {{ account {{ id revision }} }} }}")).await;
            assert_eq!(answer.get("errors"), None, "{answer}");
        };
        done("ann", "openAccount(input: { code: \"a\", name: \"One\", currency: \"EUR\", normalSide: CREDIT })").await;
        done("bob", "updateAccount(input: { account: { code: \"a\" }, name: \" Two \", class: LIABILITY, metadata: { k: 1 } })").await;
        done("cem", "setAccountStatus(input: { account: { code: \"a\" }, status: FROZEN })").await;
        // Neither of these changes anything.
        done("dan", "setAccountStatus(input: { account: { code: \"a\" }, status: FROZEN })").await;
        done("dan", "updateAccount(input: { account: { code: \"a\" }, name: \"Two\", expectedRevision: 3 })").await;
        done("eve", "updateAccount(input: { account: { code: \"a\" }, class: null, limitPolicy: NO_DEBIT_OVERDRAFT, metadata: null })").await;

        let query = CHANGES.replace("query ($code: String!, $first: Int, $after: String, $last: Int, $before: String)", "query")
            .replace("$code", "\"a\"").replace("(first: $first, after: $after, last: $last, before: $before)", "");
        let answer = sent_by(&ledger, "fay", &query).await;
        let account = &answer["data"]["account"];
        let changes = &account["changes"];
        assert_eq!((&account["revision"], revisions(changes)), (&json!("4"), vec!["4", "3", "2", "1"]), "{answer}");
        let states = [
            state("One", &json!(null), "NONE", "OPEN", &json!({})),
            state("Two", &json!("LIABILITY"), "NONE", "OPEN", &json!({ "k": 1 })),
            state("Two", &json!("LIABILITY"), "NONE", "FROZEN", &json!({ "k": 1 })),
            state("Two", &json!(null), "NO_DEBIT_OVERDRAFT", "FROZEN", &json!({})),
        ];
        for (index, who) in ["ann", "bob", "cem", "eve"].into_iter().enumerate() {
            let node = &changes["edges"][3 - index]["node"];
            assert_eq!(node["recordedBy"], who, "{node}");
            assert_eq!(node["after"], states[index]);
            assert_eq!(node["before"], index.checked_sub(1).map_or(Value::Null, |before| states[before].clone()));
            assert_eq!(node["account"]["code"], "a");
        }
        let instants: Vec<_> = (0..4).map(|n| changes["edges"][n]["node"]["recordedAt"].as_str().unwrap()).collect();
        assert!(instants.is_sorted_by(|later, earlier| later >= earlier), "{instants:?}");
        let observer = ledger.observer().await;
        let who = observer.texts("SELECT recorded_by FROM account_change ORDER BY revision").await;
        assert_eq!(who.iter().map(|who| who.as_deref().unwrap()).collect::<Vec<_>>(), ["ann", "bob", "cem", "eve"]);
        assert_eq!(observer.text("SELECT revised_by FROM account").await, "eve");
    }

    async fn the_history_is_read_a_page_at_a_time(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for name in ["b", "c", "d", "e"] {
            ledger.data(UPDATE, update("alice", &json!({ "name": name }))).await;
        }
        let page = async |variables: Value| {
            let mut variables = variables;
            variables["code"] = json!("alice");
            let page = ledger.data(CHANGES, variables).await["account"]["changes"].take();
            assert_eq!(page["totalCount"], 5);
            page
        };
        let beside = |page: &Value| (page["pageInfo"]["hasPreviousPage"].as_bool().unwrap(), page["pageInfo"]["hasNextPage"].as_bool().unwrap());
        let first = page(json!({ "first": 2 })).await;
        assert_eq!((revisions(&first), beside(&first)), (vec!["5", "4"], (false, true)));
        let second = page(json!({ "first": 2, "after": first["pageInfo"]["endCursor"] })).await;
        assert_eq!((revisions(&second), beside(&second)), (vec!["3", "2"], (true, true)));
        let third = page(json!({ "first": 2, "after": second["pageInfo"]["endCursor"] })).await;
        assert_eq!((revisions(&third), beside(&third)), (vec!["1"], (true, false)));
        let last = page(json!({ "last": 2 })).await;
        assert_eq!((revisions(&last), beside(&last)), (vec!["2", "1"], (true, false)));
        let back = page(json!({ "last": 2, "before": last["pageInfo"]["startCursor"] })).await;
        assert_eq!((revisions(&back), beside(&back)), (vec!["4", "3"], (true, true)));
        let none = page(json!({ "first": 0 })).await;
        assert_eq!((revisions(&none), beside(&none)), (vec![], (false, true)));
        // A cursor of another account, or of another connection, is none.
        let other = ledger.data(CHANGES, json!({ "code": "cash" })).await;
        for cursor in [other["account"]["changes"]["pageInfo"]["endCursor"].as_str().unwrap(), "x"] {
            let error = ledger.run(CHANGES, json!({ "code": "alice", "after": cursor })).await;
            assert_eq!(error["errors"][0]["extensions"]["field"], "after", "{error}");
        }
    }

    async fn what_is_not_given_stays_and_what_cannot_be_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 100).await;
        let set = ledger.data(UPDATE, update("alice", &json!({ "class": "LIABILITY", "metadata": { "a": [1, "ä"] } }))).await;
        let account = json!({ "code": "alice", "name": "alice", "class": "LIABILITY", "limitPolicy": "NO_DEBIT_OVERDRAFT",
            "metadata": { "a": [1, "ä"] }, "revision": "2", "balances": { "version": "1" } });
        assert_eq!(set["updateAccount"]["account"], account);
        for (fields, code, field) in [
            (json!({ "name": null }), "BAD_USER_INPUT", "name"),
            (json!({ "name": "a\nb" }), "BAD_USER_INPUT", "name"),
            (json!({ "name": "x".repeat(201) }), "BAD_USER_INPUT", "name"),
            (json!({ "metadata": [] }), "BAD_USER_INPUT", "metadata"),
            (json!({ "metadata": { "k": "x".repeat(17_000) } }), "BAD_USER_INPUT", "metadata"),
        ] {
            let error = ledger.error(UPDATE, update("alice", &fields)).await;
            assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!(code), &json!(field)), "{error}");
        }
        for field in ["code", "currency", "normalSide", "status"] {
            let refused = ledger.run(UPDATE, update("alice", &json!({ (field): "x" }))).await;
            assert!(refused["errors"][0]["message"].as_str().unwrap().contains(field), "{refused}");
        }
        let error = ledger.error(UPDATE, update("nobody", &json!({ "name": "x" }))).await;
        assert_eq!(error["extensions"]["code"], "ACCOUNT_NOT_FOUND");
        let error = ledger.error(UPDATE, update("alice", &json!({ "name": "x", "expectedRevision": "1" }))).await;
        let extensions = &error["extensions"];
        assert_eq!((&extensions["code"], &extensions["expected"], &extensions["actual"]), (&json!("VERSION_CONFLICT"), &json!("1"), &json!("2")), "{error}");
        let observer = ledger.observer().await;
        assert_eq!(observer.text("SELECT name FROM account WHERE code = 'alice'").await, "alice");
        assert_eq!(observer.i64("SELECT COUNT(*) FROM account_change").await, 3);
    }

    /// Holds count as taken. A limit that was changed holds for what is posted next.
    async fn a_limit_is_changed_only_where_the_balance_is_within_it(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.open("bob", "EUR", "CREDIT", "NONE").await;
        ledger.post("cash", "bob", 100).await;
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        let held = ledger.data(hold, json!({ "input": { "lines": [line("bob", "cash", 130, "EUR")] } })).await;
        let no_debt = json!({ "limitPolicy": "NO_DEBIT_OVERDRAFT" });
        let error = ledger.error(UPDATE, update("bob", &no_debt)).await;
        for (name, value) in [("code", "LIMIT_EXCEEDED"), ("accountCode", "bob"), ("limitPolicy", "NO_DEBIT_OVERDRAFT"), ("beyond", "30"),
            ("posted", "100"), ("debitsPending", "130"), ("creditsPending", "0"), ("currency", "EUR"), ("field", "limitPolicy")] {
            assert_eq!(error["extensions"][name], value, "{error}");
        }
        let error = ledger.error(UPDATE, update("bob", &json!({ "limitPolicy": "NO_CREDIT_OVERDRAFT" }))).await;
        assert_eq!(error["extensions"]["beyond"], "100", "{error}");
        let release = "mutation ($hold: ID!) { releaseHold(input: { hold: $hold }) { entry { id } } }";
        ledger.data(release, json!({ "hold": held["placeHold"]["entry"]["id"] })).await;
        ledger.data(UPDATE, update("bob", &no_debt)).await;
        let more = json!({ "input": { "lines": [line("bob", "cash", 101, "EUR")] } });
        assert_eq!(ledger.error(POST, more.clone()).await["extensions"]["code"], "INSUFFICIENT_FUNDS");
        ledger.data(UPDATE, update("bob", &json!({ "limitPolicy": null }))).await;
        ledger.data(POST, more).await;
        assert_eq!(ledger.balance("bob").await, -1);
    }

    /// Openings too, in the order of commits, and nothing that was rolled back; on from any cursor at any server.
    async fn subscribers_hear_of_each_committed_change_once(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::with_accounts(test).await;
        let mut all = ledger.subscribe(FEED, json!({ "after": "0" })).await;
        let mut of_alice = ledger.subscribe(FEED, json!({ "after": "0", "accounts": [{ "code": "alice" }] })).await;
        let mut live = ledger.subscribe(FEED, json!({})).await;
        live.settled().await;
        ledger.data(UPDATE, update("alice", &json!({ "name": "Alice" }))).await;
        let two = "mutation { a: updateAccount(input: { account: { code: \"cash\" }, name: \"lost\" }) { account { id } }
            b: updateAccount(input: { account: { code: \"nobody\" }, name: \"x\" }) { account { id } } }";
        ledger.error(two, json!({})).await;
        let posted = ledger.post("cash", "alice", 1).await;
        let mut entries = ledger.subscribe("subscription { entryPosted(after: \"0\") { cursor entry { id } } }", json!({})).await;
        ledger.data(UPDATE, update("cash", &json!({ "name": "Till" }))).await;
        let status = "mutation { setAccountStatus(input: { account: { code: \"alice\" }, status: FROZEN }) { account { id } } }";
        ledger.data(status, json!({})).await;

        let told = |event: &Value| {
            let event = &event["data"]["accountChanged"];
            let change = &event["change"];
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            (event["cursor"].as_str().unwrap().parse::<i64>().unwrap(), [text(&change["account"]["code"]), text(&change["before"]["name"]), text(&change["after"]["name"]), text(&change["after"]["status"])].join(" "))
        };
        let mut heard = Vec::new();
        for _ in 0..5 {
            heard.push(told(&all.event().await));
        }
        let texts: Vec<_> = heard.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["cash - cash OPEN", "alice - alice OPEN", "alice alice Alice OPEN", "cash cash Till OPEN", "alice Alice Alice FROZEN"]);
        assert!(heard.is_sorted_by(|(a, _), (b, _)| a < b));
        let mut own = Vec::new();
        for _ in 0..3 {
            own.push(told(&of_alice.event().await));
        }
        assert_eq!(own, [heard[1].clone(), heard[2].clone(), heard[4].clone()]);
        assert_eq!(told(&live.event().await), heard[2]);
        // The cursor of the entry lies between those of the changes before and after it.
        let entry = entries.event().await;
        let entry = &entry["data"]["entryPosted"];
        assert_eq!(entry["entry"]["id"], posted["entry"]["id"]);
        let cursor: i64 = entry["cursor"].as_str().unwrap().parse().unwrap();
        assert!(heard[2].0 < cursor && cursor < heard[3].0, "{cursor} {heard:?}");

        let other = Process::start(&url);
        for from in 0..4 {
            let after = json!({ "after": heard[from].0.to_string(), "accounts": [{ "code": "cash" }, { "code": "alice" }] });
            let mut resumed = Subscription::open(&other.address, FEED, after).await.unwrap();
            for expected in &heard[from + 1..] {
                assert_eq!(told(&resumed.event().await), *expected);
            }
        }
    }

    /// A change goes through the same unit as an entry: a key, a dry run, a batch of fields, many at the same time.
    async fn changes_keep_the_promises_of_the_unit(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let observer = ledger.observer().await;
        let revision = "SELECT revision FROM account WHERE code = 'alice'";
        let kept = "SELECT COUNT(*) FROM account_change";
        // Sent twice with one key, it happens once.
        let body = json!({ "query": UPDATE, "variables": update("alice", &json!({ "name": "keyed" })) });
        for replayed in [false, true] {
            let response = ledger.request(&body).header("idempotency-key", "\"k\"").send().await.unwrap();
            assert_eq!(response.headers().contains_key("idempotency-replayed"), replayed);
            let answer: Value = response.json().await.unwrap();
            assert_eq!(answer["data"]["updateAccount"]["account"]["revision"], "2", "{answer}");
        }
        assert_eq!((observer.i64(revision).await, observer.i64(kept).await), (2, 3));
        let dry = ledger.dry_run(UPDATE, update("alice", &json!({ "name": "dry" }))).await;
        assert_eq!(dry["data"]["updateAccount"]["account"]["revision"], "3", "{dry}");
        assert_eq!((observer.i64(revision).await, observer.i64(kept).await), (2, 3));
        // Two fields of one operation are two changes; each answers what it left.
        let two = "mutation { a: updateAccount(input: { account: { code: \"alice\" }, name: \"a\", expectedRevision: 2 }) { account { revision } }
            b: updateAccount(input: { account: { code: \"alice\" }, name: \"b\", expectedRevision: 3 }) { account { revision changes(first: 2) { edges { node { before { name } after { name } } } } } } }";
        let data = ledger.data(two, json!({})).await;
        assert_eq!(data["b"]["account"]["changes"]["edges"], json!([
            { "node": { "before": { "name": "a" }, "after": { "name": "b" } } }, { "node": { "before": { "name": "keyed" }, "after": { "name": "a" } } }]));
        // At the same time, on SQLite in one COMMIT: each is a revision of its own.
        let many = join_all((0..16).map(|n| {
            let ledger = &ledger;
            async move { ledger.data(UPDATE, update("alice", &json!({ "name": format!("n{n}") }))).await["updateAccount"]["account"]["revision"].take() }
        })).await;
        let mut many: Vec<i64> = many.iter().map(|revision| revision.as_str().unwrap().parse().unwrap()).collect();
        many.sort_unstable();
        assert_eq!(many, (5..=20).collect::<Vec<_>>());
        assert_eq!((observer.i64(revision).await, observer.i64(kept).await), (20, 21));
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }
}
