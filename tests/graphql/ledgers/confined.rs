//! Tokens that are for some ledgers alone: they see and change nothing of the others.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::{
    ACME, ALL, CREATE, OPEN, POST, ask, data, documents::Types, open, refused, sale, two_ledgers,
};
use crate::{
    graphql::server::{Ledger, line},
    http::{access::sign, jwt::claims},
};

/// The ids of what one ledger has.
struct Ids {
    account: String,
    entry: String,
    hold: String,
    line: String,
}

/// Something of each kind in one ledger; everything that can be named has `of` in it.
async fn fill(ledger: &Ledger, prefix: &str, of: &str) -> Ids {
    let posted = data(ledger, ALL, POST, sale(prefix, 70, &format!("{of}-1"))).await;
    let entry = posted["postEntry"]["entry"]["id"].as_str().unwrap();
    let annotate = "mutation ($id: ID!, $metadata: JSON!) { annotateEntry(input: { entry: { id: $id }, metadata: $metadata }) { entry { id } } }";
    data(
        ledger,
        ALL,
        annotate,
        json!({ "id": entry, "metadata": { "later": of } }),
    )
    .await;
    let late = json!({ "input": { "lines": [line(&format!("{prefix}cash"), &format!("{prefix}sales"), 3, "EUR")], "effectiveAt": "2026-01-02T00:00:00Z" } });
    data(ledger, ALL, POST, late).await;
    let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id lines { id } } } }";
    let input = json!({ "input": { "lines": [line(&format!("{prefix}cash"), &format!("{prefix}sales"), 9, "EUR")] } });
    let held = data(ledger, ALL, hold, input).await;
    let reverse = "mutation ($id: ID!) { reverseEntry(input: { entry: $id, amounts: [5] }) { entry { id } } }";
    data(ledger, ALL, reverse, json!({ "id": entry })).await;
    let update = "mutation ($code: String!, $name: String!) { updateAccount(input: { account: { code: $code }, name: $name }) { account { id } } }";
    let renamed = json!({ "code": format!("{prefix}sales"), "name": format!("{of} sales") });
    let account = data(ledger, ALL, update, renamed).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Ids {
        account: text(&account["updateAccount"]["account"]["id"]),
        entry: entry.to_owned(),
        hold: text(&held["placeHold"]["entry"]["id"]),
        line: text(&held["placeHold"]["entry"]["lines"][0]["id"]),
    }
}

/// Everything that the schema can be asked, about one's own things and about those of another.
async fn everything(ledger: &Ledger, own: &Ids, other: &Ids) -> Vec<String> {
    let nodes = |ids: &Ids| {
        format!(
            "(ids: [\"{}\", \"{}\", \"{}\", \"{}\"])",
            ids.account, ids.entry, ids.hold, ids.line
        )
    };
    let each = |arguments: &[String]| arguments.to_vec();
    let codes = ["acme:cash", "beta:cash", "cash"];
    let by_code = |argument: &str| {
        codes
            .map(|code| argument.replace("CODE", code))
            .into_iter()
            .chain(std::iter::once(String::new()))
            .collect::<Vec<_>>()
    };
    let time = "2026-01-15T00:00:00Z";
    let arguments = [
        (
            "account",
            vec![
                "(by: { code: \"acme:cash\" })".to_owned(),
                "(by: { code: \"beta:cash\" })".to_owned(),
                "(by: { code: \"cash\" })".to_owned(),
                format!("(by: {{ id: \"{}\" }})", own.account),
                format!("(by: {{ id: \"{}\" }})", other.account),
            ],
        ),
        (
            "accountGroup",
            each(&["(by: { path: \"secret\" })".to_owned()]),
        ),
        (
            "accounts",
            vec![
                String::new(),
                "(filter: { codePrefix: \"b\" })".to_owned(),
                "(filter: { metadata: [{ key: \"of\", value: \"beta:cash\" }] })".to_owned(),
                "(filter: { codePrefix: \"acme\" })".to_owned(),
                "(filter: { currency: \"EUR\", balance: { currency: \"EUR\", min: 1 } })".to_owned(),
            ],
        ),
        (
            "accountSums",
            [
                by_code("(filter: { codePrefix: \"CODE\" })"),
                vec![
                    format!("(during: {{ effectiveFrom: \"{time}\" }})"),
                    "(by: [CODE], codeDepth: 1)".to_owned(),
                    "(every: MONTH, during: { effectiveFrom: \"2026-01-01\", effectiveUntil: \"2026-12-31\" })"
                        .to_owned(),
                ],
            ]
            .concat(),
        ),
        ("balanceSheet", vec![String::new()]),
        (
            "entries",
            [
                by_code("(filter: { account: { code: \"CODE\" } })"),
                by_code("(filter: { accountCodePrefix: \"CODE\" })"),
                vec![
                    "(filter: { text: \"sale\" })".to_owned(),
                    "(filter: { text: \"beta\" })".to_owned(),
                    "(filter: { referencePrefix: \"\" })".to_owned(),
                    "(filter: { reference: \"secret-1\" })".to_owned(),
                    "(filter: { amount: { currency: \"EUR\", min: 70, max: 70 } })".to_owned(),
                    "(filter: { hold: OPEN })".to_owned(),
                    "(filter: { metadata: [{ key: \"later\", value: \"secret\" }] })".to_owned(),
                    "(last: 3)".to_owned(),
                    "(orderBy: { field: EFFECTIVE_AT })".to_owned(),
                ],
            ]
            .concat(),
        ),
        (
            "entry",
            vec![
                format!("(by: {{ id: \"{}\" }})", own.entry),
                format!("(by: {{ id: \"{}\" }})", other.entry),
                "(by: { reference: \"own-1\" })".to_owned(),
                "(by: { reference: \"secret-1\" })".to_owned(),
            ],
        ),
        (
            "incomeStatement",
            vec!["(effectiveFrom: \"2026-01-01\", effectiveUntil: \"2026-12-31\")".to_owned()],
        ),
        (
            "ledger",
            vec!["(code: \"acme\")".to_owned(), "(code: \"beta\")".to_owned()],
        ),
        (
            "node",
            vec![
                format!("(id: \"{}\")", own.line),
                format!("(id: \"{}\")", other.line),
                format!("(id: \"{}\")", other.account),
            ],
        ),
        ("nodes", vec![nodes(own), nodes(other)]),
        (
            "receipt",
            (1..=40)
                .map(|number| format!("(number: {number})"))
                .collect(),
        ),
        ("trialBalance", vec![String::new()]),
    ];
    let types = Types::of(ledger).await;
    types.queries(&arguments, 3)
}

on_every_engine! {
    /// What is in other ledgers changes no answer: before it is there, and afterwards, every answer is the same, to the byte.
    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn other_ledgers_change_no_answer(test: TestDatabase) {
        let ledger = Ledger::guarded_with(test, |options| options.limits.complexity = 10_000_000).await;
        two_ledgers(&ledger).await;
        let own = fill(&ledger, "acme:", "own").await;
        let other = fill(&ledger, "beta:", "secret").await;
        let queries = everything(&ledger, &own, &other).await;
        let mut before = Vec::new();
        for query in &queries {
            before.push(ask(&ledger, ACME, query, json!({})).await);
        }
        let (mut answered, mut refusals) = (0, std::collections::BTreeSet::new());
        for (query, answer) in queries.iter().zip(&before) {
            let text = answer.to_string();
            for secret in ["secret", "beta:", "\"beta\"", other.account.as_str(), other.entry.as_str(), other.hold.as_str()] {
                // What the caller wrote may be said again by a refusal.
                assert!(!text.contains(secret) || query.contains(secret) && answer["data"].is_null(), "{secret} in {query}: {text}");
            }
            match answer["errors"][0]["extensions"]["code"].as_str() {
                None => answered += 1,
                Some(code) => {
                    refusals.insert(format!("{code} {}", query.split(['(', ' ', '{']).find(|it| !it.is_empty()).unwrap()));
                }
            }
        }
        let expected = [
            "ACCOUNT_NOT_FOUND entries", "FORBIDDEN verifyLedger", "FORBIDDEN webhooks",
        ];
        assert_eq!(refusals.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{answered} answered");
        // More of the same, and of other kinds, elsewhere.
        fill(&ledger, "", "secret-2").await;
        let again = sale("beta:", 70, "secret-again");
        data(&ledger, ALL, POST, again).await;
        open(&ledger, ALL, "beta:more", "DEBIT").await;
        data(&ledger, ALL, CREATE, json!({ "code": "gamma" })).await;
        let group = "mutation { createAccountGroup(input: { path: \"secret\", name: \"secret\" }) { group { id } } }";
        data(&ledger, ALL, group, json!({})).await;
        let into = "mutation { addToAccountGroup(input: { group: { path: \"secret\" }, accounts: [{ code: \"acme:cash\" }], codePrefixes: [\"acme:s\"] }) { group { id } } }";
        data(&ledger, ALL, into, json!({})).await;
        let close = "mutation { closeBooks(input: { closedUntil: \"2025-01-01\", codePrefix: \"beta:\", reason: \"secret\" }) { closing { reason } } }";
        data(&ledger, ALL, close, json!({})).await;
        let webhook = "mutation { createWebhook(input: { url: \"https://secret.example/\", events: [ENTRY_POSTED] }) { webhook { id } } }";
        ask(&ledger, ALL, webhook, json!({})).await;
        for (query, before) in queries.iter().zip(&before) {
            let after = ask(&ledger, ACME, query, json!({})).await;
            assert_eq!(after["data"], before["data"], "{query}");
        }
        // Somebody who sees everything is answered something else.
        let mut differs = 0;
        for (query, before) in queries.iter().zip(&before) {
            differs += usize::from(ask(&ledger, ALL, query, json!({})).await["data"] != before["data"]);
        }
        assert!(differs > 20, "{differs} of {}", queries.len());
    }

    /// What another ledger has cannot be named, and what is about all of them is refused.
    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn nothing_of_others_is_changed(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let own = fill(&ledger, "acme:", "own").await;
        let other = fill(&ledger, "beta:", "secret").await;
        fill(&ledger, "", "secret-2").await;
        let state = async || {
            let sql = "SELECT CAST(SUM(debits_posted + 3 * credits_posted + 7 * debits_pending + 11 * version + 13 * revision) AS text) FROM account WHERE ledger IS NULL OR ledger <> 'acme'";
            let entries = "SELECT CAST(COUNT(*) AS text) FROM entry WHERE ledger IS NULL OR ledger <> 'acme'";
            let changes = "SELECT CAST(COUNT(*) AS text) FROM entry_change";
            let accounts = "SELECT CAST(COUNT(*) AS text) FROM account";
            let observer = ledger.observer().await;
            (observer.text(sql).await, observer.text(entries).await, observer.text(changes).await, observer.text(accounts).await)
        };
        let before = state().await;
        let entry = &other.entry;
        let (hold, account) = (&other.hold, &other.account);
        for (mutation, refusal) in [
            (format!("reverseEntry(input: {{ entry: \"{entry}\" }}) {{ entry {{ id }} }}"), "ENTRY_NOT_FOUND"),
            (format!("captureHold(input: {{ hold: \"{hold}\" }}) {{ entry {{ id }} }}"), "ENTRY_NOT_FOUND"),
            (format!("releaseHold(input: {{ hold: \"{hold}\" }}) {{ entry {{ id }} }}"), "ENTRY_NOT_FOUND"),
            (format!("annotateEntry(input: {{ entry: {{ id: \"{entry}\" }}, metadata: {{ a: 1 }} }}) {{ entry {{ id }} }}"), "ENTRY_NOT_FOUND"),
            ("annotateEntry(input: { entry: { reference: \"secret-1\" }, metadata: { a: 1 } }) { entry { id } }".to_owned(), "ENTRY_NOT_FOUND"),
            (format!("updateAccount(input: {{ account: {{ id: \"{account}\" }}, name: \"mine\" }}) {{ account {{ id }} }}"), "ACCOUNT_NOT_FOUND"),
            ("setAccountStatus(input: { account: { code: \"beta:cash\" }, status: FROZEN }) { account { id } }".to_owned(), "ACCOUNT_NOT_FOUND"),
            ("setAccountStatus(input: { account: { code: \"cash\" }, status: FROZEN }) { account { id } }".to_owned(), "ACCOUNT_NOT_FOUND"),
            ("createLedger(input: { code: \"mine\", name: \"m\" }) { ledger { code } }".to_owned(), "FORBIDDEN"),
            ("createCurrency(input: { code: \"MINE\", exponent: 2 }) { currency { code } }".to_owned(), "FORBIDDEN"),
            ("setCurrencySymbol(input: { code: \"EUR\", symbol: \"E\" }) { currency { code } }".to_owned(), "FORBIDDEN"),
            ("closeBooks(input: { closedUntil: \"2025-01-01\", codePrefix: \"acme:\" }) { closing { reason } }".to_owned(), "FORBIDDEN"),
            ("reopenBooks(input: {}) { closing { reason } }".to_owned(), "FORBIDDEN"),
            ("createAccountGroup(input: { path: \"mine\", name: \"m\" }) { group { id } }".to_owned(), "FORBIDDEN"),
            ("createWebhook(input: { url: \"https://mine.example/\", events: [ENTRY_POSTED] }) { webhook { id } }".to_owned(), "FORBIDDEN"),
        ] {
            let mutation = format!("mutation {{ {mutation} }}");
            assert_eq!(refused(&ledger, ACME, &mutation, json!({})).await, refusal, "{mutation}");
        }
        for code in ["beta:new", "new", "acme", "acme2:new", "beta", ""] {
            let refusal = ask(&ledger, ACME, OPEN, json!({ "code": code, "side": "DEBIT" })).await;
            if code == "acme" {
                assert_eq!(refusal.get("errors"), None, "{refusal}");
            } else {
                assert_eq!(refusal["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{code}: {refusal}");
            }
        }
        for (debit, credit) in [("beta:cash", "beta:sales"), ("acme:cash", "beta:sales"), ("cash", "sales"), ("cash", "acme:sales")] {
            let input = json!({ "input": { "lines": [line(debit, credit, 5, "EUR")] } });
            assert_eq!(refused(&ledger, ACME, POST, input).await, "ACCOUNT_NOT_FOUND", "{debit} {credit}");
            let condition = json!({ "input": { "lines": [line("acme:cash", "acme:sales", 5, "EUR")], "conditions": [{ "account": { "code": "beta:cash" }, "balance": "POSTED", "atLeast": "0" }] } });
            assert_eq!(refused(&ledger, ACME, POST, condition).await, "ACCOUNT_NOT_FOUND");
        }
        let after = state().await;
        assert_eq!((&after.0, &after.1, &after.2), (&before.0, &before.1, &before.2));
        // What is one's own can be done, in every way.
        data(&ledger, ACME, POST, sale("acme:", 5, "secret-1")).await;
        let own_hold = &own.hold;
        for mutation in [
            format!("captureHold(input: {{ hold: \"{own_hold}\", amounts: [4], final: false }}) {{ entry {{ id lines {{ id }} }} }}"),
            format!("releaseHold(input: {{ hold: \"{own_hold}\" }}) {{ entry {{ id ledger {{ code }} }} }}"),
            format!("reverseEntry(input: {{ entry: \"{}\", amounts: [5] }}) {{ entry {{ id }} }}", own.entry),
            format!("annotateEntry(input: {{ entry: {{ id: \"{}\" }}, metadata: {{ b: 1 }} }}) {{ entry {{ id }} }}", own.entry),
            "annotateEntry(input: { entry: { reference: \"own-1\" }, metadata: { c: 1 } }) { entry { id } }".to_owned(),
            "openAccount(input: { code: \"acme:new\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }) { account { ledger { code } } }".to_owned(),
            "updateAccount(input: { account: { code: \"acme:new\" }, name: \"m\", class: ASSET }) { account { name } }".to_owned(),
            "setAccountStatus(input: { account: { code: \"acme:new\" }, status: FROZEN }) { account { status } }".to_owned(),
        ] {
            data(&ledger, ACME, &format!("mutation {{ {mutation} }}"), json!({})).await;
        }
        let check = data(&ledger, ALL, "{ verifyLedger { ok } }", json!({})).await;
        assert_eq!(check["verifyLedger"]["ok"], true);
    }

    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn reading_is_not_writing(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let both = "ledger:read:acme ledger:read:beta ledger:write:beta";
        assert_eq!(refused(&ledger, "ledger:read:acme", POST, sale("acme:", 5, "r")).await, "FORBIDDEN");
        assert_eq!(refused(&ledger, both, POST, sale("acme:", 5, "r")).await, "ACCOUNT_NOT_FOUND");
        data(&ledger, both, POST, sale("beta:", 5, "r")).await;
        let codes = "{ accounts { edges { node { code } } totalCount } ledgers { code } }";
        let seen = data(&ledger, both, codes, json!({})).await;
        assert_eq!((&seen["accounts"]["totalCount"], seen["ledgers"].as_array().unwrap().len()), (&json!(4), 2), "{seen}");
        assert_eq!(refused(&ledger, "ledger:write:acme", codes, json!({})).await, "FORBIDDEN");
        // Who may write all and read one sees one.
        let mixed = "ledger:read:acme ledger:write";
        data(&ledger, mixed, POST, sale("beta:", 5, "s")).await;
        assert_eq!(data(&ledger, mixed, codes, json!({})).await["accounts"]["totalCount"], 2);
        // A ledger that there is not has nothing, and neither has the one without a name.
        for scopes in ["ledger:read:gamma", "ledger:read:", "ledger:read:acme:cash", "ledger:read:*", "ledger:read:'"] {
            let seen = data(&ledger, scopes, codes, json!({})).await;
            assert_eq!(seen, json!({ "accounts": { "edges": [], "totalCount": 0 }, "ledgers": [] }), "{scopes}");
        }
    }

    /// A key belongs to a viewer and to the ledgers that the token is for: the answer to one is not the answer to the other.
    (not on MariaDB: "no rows are hidden from an operation there, so no token is for some ledgers")
    async fn a_key_does_not_answer_for_another_ledger(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        two_ledgers(&ledger).await;
        let keyed = async |scopes: &str| -> Value {
            let post = json!({ "query": POST, "variables": sale("acme:", 5, "r") });
            let request = ledger.request(&post).bearer_auth(sign(&claims(scopes))).header("idempotency-key", "\"k\"");
            request.send().await.unwrap().json().await.unwrap()
        };
        let first = keyed(ACME).await;
        assert_eq!(first.get("errors"), None, "{first}");
        assert_eq!(keyed(ACME).await["data"], first["data"]);
        let other = keyed("ledger:write:beta").await;
        assert_eq!(other["data"], json!(null), "{other}");
        assert_eq!(other["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED", "{other}");
        assert_eq!(ledger.count("entry").await, 1);
    }
}
