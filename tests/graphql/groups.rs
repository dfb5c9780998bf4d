//! Groups of accounts, as clients make them and ask for them.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::recorded_by::sent_by;
use super::server::{Ledger, POST, line};

const CREATE: &str = "mutation ($input: CreateAccountGroupInput!) { createAccountGroup(input: $input) { group { id path name depth revision } } }";
const UPDATE: &str = "mutation ($input: UpdateAccountGroupInput!) { updateAccountGroup(input: $input) { group { id path name revision children { path } } } }";
const DELETE: &str = "mutation ($input: DeleteAccountGroupInput!) { deleteAccountGroup(input: $input) { deletedId path } }";
const ADD: &str = "mutation ($input: AccountGroupContentsInput!) { addToAccountGroup(input: $input) { group { path codePrefixes accounts { totalCount edges { node { code } } } } } }";
const REMOVE: &str = "mutation ($input: AccountGroupContentsInput!) { removeFromAccountGroup(input: $input) { group { path } } }";
const SUMS: &str = "query ($by: [AccountSumKey!], $groupTree: String, $groupDepth: Int, $filter: AccountFilter, $during: SumPeriod) {
  accountSums(by: $by, groupTree: $groupTree, groupDepth: $groupDepth, filter: $filter, during: $during) {
    group { path name } class code accounts opening { amount } debits { amount } credits { amount } }
}";
const CHANGES: &str = "query ($first: Int, $after: String, $tree: String, $account: AccountRef) {
  accountGroupChanges(first: $first, after: $after, tree: $tree, account: $account) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node { group { path } account { code } codePrefix pathBefore pathAfter nameBefore nameAfter recordedAt recordedBy } } }
}";

fn of(path: &str) -> Value {
    json!({ "path": path })
}

fn codes(codes: &[&str]) -> Value {
    codes.iter().map(|code| json!({ "code": code })).collect()
}

async fn create(ledger: &Ledger, path: &str, name: &str) -> Value {
    let created = ledger
        .data(CREATE, json!({ "input": { "path": path, "name": name } }))
        .await;
    created["createAccountGroup"]["group"].clone()
}

async fn add(ledger: &Ledger, group: &str, accounts: &[&str], prefixes: &[&str]) -> Value {
    let input =
        json!({ "group": of(group), "accounts": codes(accounts), "codePrefixes": prefixes });
    ledger.data(ADD, json!({ "input": input })).await["addToAccountGroup"]["group"].take()
}

/// A shop, and its tax report.
async fn shop(ledger: &Ledger) {
    for (code, side) in [
        ("assets:bank", "DEBIT"),
        ("sales:web", "CREDIT"),
        ("sales:shop", "CREDIT"),
        ("rent", "DEBIT"),
        ("rent:flat", "DEBIT"),
    ] {
        ledger.open(code, "EUR", side, "NONE").await;
    }
    for (path, name) in [
        ("tax", "Tax report"),
        ("tax:income", "Income"),
        ("tax:income:sales", "Line 11: sales"),
        ("tax:expenses", "Expenses"),
        ("tax:expenses:rent", "Line 48: rent"),
        ("regions", "Regions"),
        ("regions:north", "The north"),
    ] {
        create(ledger, path, name).await;
    }
    add(ledger, "tax:income:sales", &[], &["sales:"]).await;
    add(ledger, "tax:expenses:rent", &["rent"], &[]).await;
    add(ledger, "regions:north", &["sales:shop", "rent"], &[]).await;
    for (debit, credit, amount) in [
        ("assets:bank", "sales:web", 1000),
        ("assets:bank", "sales:shop", 200),
        ("rent", "assets:bank", 30),
        ("rent:flat", "assets:bank", 4),
    ] {
        ledger.post(debit, credit, amount).await;
    }
}

fn listed(page: &Value) -> Vec<&str> {
    let edges = page["edges"].as_array().unwrap().iter();
    edges
        .map(|edge| {
            let node = &edge["node"];
            let name = node["path"].as_str().or_else(|| node["code"].as_str());
            name.unwrap()
        })
        .collect()
}

on_every_engine! {
    async fn a_tree_of_groups_is_made_and_read(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        let data = ledger.data(r#"{
            accountTrees { path children { path name parent { path } tree { path } codePrefixes } }
            accountGroups(tree: "tax", first: 4) { totalCount pageInfo { hasNextPage } edges { node { path } } }
            all: accountGroups { totalCount }
            accountGroup(by: { path: "tax:income" }) { id depth accounts { totalCount } below: accounts(subgroups: true, first: 1) { totalCount edges { node { code } } } }
            nobody: accountGroup(by: { path: "tax:nothing" }) { id }
            noId: accountGroup(by: { id: "acct_01h455vb4pex5vsknk084sn02q" }) { id }
            account(by: { code: "sales:shop" }) { groups { codePrefix group { path name } } }
            grouped: accounts(filter: { group: { path: "tax" } }) { totalCount edges { node { code groups { group { path } } } } }
            alone: accounts(filter: { group: { path: "tax:income" }, subgroups: false }) { totalCount }
            out: accounts(filter: { ungroupedIn: "tax" }) { edges { node { code } } }
        }"#, json!({})).await;
        assert_eq!(data["accountTrees"], json!([
            { "path": "regions", "children": [{ "path": "regions:north", "name": "The north", "parent": { "path": "regions" }, "tree": { "path": "regions" }, "codePrefixes": [] }] },
            { "path": "tax", "children": [
                { "path": "tax:expenses", "name": "Expenses", "parent": { "path": "tax" }, "tree": { "path": "tax" }, "codePrefixes": [] },
                { "path": "tax:income", "name": "Income", "parent": { "path": "tax" }, "tree": { "path": "tax" }, "codePrefixes": [] },
            ] },
        ]));
        let groups = &data["accountGroups"];
        assert_eq!((&groups["totalCount"], &groups["pageInfo"]["hasNextPage"]), (&json!(5), &json!(true)));
        assert_eq!(listed(groups), ["tax", "tax:expenses", "tax:expenses:rent", "tax:income"]);
        assert_eq!(data["all"]["totalCount"], 7);
        let income = &data["accountGroup"];
        assert_eq!((&income["depth"], &income["accounts"]["totalCount"], &income["below"]["totalCount"]), (&json!(1), &json!(0), &json!(2)));
        assert_eq!(listed(&income["below"]), ["sales:shop"]);
        assert_eq!((&data["nobody"], &data["noId"]), (&Value::Null, &Value::Null));
        assert_eq!(data["account"]["groups"], json!([
            { "codePrefix": null, "group": { "path": "regions:north", "name": "The north" } },
            { "codePrefix": "sales:", "group": { "path": "tax:income:sales", "name": "Line 11: sales" } },
        ]));
        assert_eq!(listed(&data["grouped"]), ["rent", "sales:shop", "sales:web"]);
        assert_eq!((&data["grouped"]["totalCount"], &data["alone"]["totalCount"]), (&json!(3), &json!(0)));
        assert_eq!(listed(&data["out"]), ["assets:bank", "rent:flat"]);
        // By its id, as any node.
        let id = income["id"].as_str().unwrap();
        assert!(id.starts_with("group_"), "{id}");
        let node = "query ($id: ID!) { node(id: $id) { __typename id ... on AccountGroup { path } } accountGroup(by: { id: $id }) { path } accounts(filter: { group: { id: $id } }) { totalCount } }";
        let data = ledger.data(node, json!({ "id": id })).await;
        assert_eq!(data["node"], json!({ "__typename": "AccountGroup", "id": id, "path": "tax:income" }));
        assert_eq!((&data["accountGroup"]["path"], &data["accounts"]["totalCount"]), (&json!("tax:income"), &json!(2)));
        // A separate connection sees the same.
        let observer = ledger.observer().await;
        let sql = "SELECT COUNT(*) FROM group_member JOIN account_group ON account_group.id = group_id WHERE path = 'regions:north'";
        assert_eq!((observer.i64(sql).await, observer.i64("SELECT COUNT(*) FROM group_change").await), (2, 11));
    }

    async fn sums_are_asked_for_by_group(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        let rows = async |variables: Value| {
            let data = ledger.data(SUMS, variables).await;
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let rows = data["accountSums"].as_array().unwrap().iter();
            rows.map(|row| format!("{} {} {} {} {}", text(&row["group"]["path"]), text(&row["code"]), row["accounts"], text(&row["debits"]["amount"]), text(&row["credits"]["amount"]))).collect::<Vec<_>>()
        };
        let by = |depth: Value| json!({ "by": ["GROUP"], "groupTree": "tax", "groupDepth": depth });
        assert_eq!(rows(by(Value::Null)).await, ["tax:expenses:rent - 1 30 0", "tax:income:sales - 2 0 1200", "- - 2 1204 34"]);
        assert_eq!(rows(by(json!(1))).await, ["tax:expenses - 1 30 0", "tax:income - 2 0 1200", "- - 2 1204 34"]);
        assert_eq!(rows(by(json!(0))).await, ["tax - 3 30 1200", "- - 2 1204 34"]);
        assert_eq!(rows(json!({ "by": ["GROUP", "CODE"], "groupTree": "regions", "filter": { "codePrefix": "sales" } })).await, ["regions:north sales:shop 1 0 200", "- sales:web 1 0 1000"]);
        assert_eq!(rows(json!({ "by": ["CODE"], "filter": { "group": of("tax"), "subgroups": true } })).await, ["- rent 1 30 0", "- sales:shop 1 0 200", "- sales:web 1 0 1000"]);
        assert_eq!(rows(json!({ "by": ["GROUP"], "groupTree": "tax", "filter": { "group": of("regions:north") } })).await, ["tax:expenses:rent - 1 30 0", "tax:income:sales - 1 0 200"]);
        // In a period, and as it was known: what was recorded since is left out, and where accounts are is as it is now.
        let recorded = ledger.data("{ entries(first: 1) { edges { node { recordedAt } } } }", json!({})).await;
        let first = &recorded["entries"]["edges"][0]["node"]["recordedAt"];
        let mut known = by(json!(1));
        known["during"] = json!({ "recordedUntil": first, "effectiveFrom": "2000-01-01" });
        assert_eq!(rows(known).await, ["tax:expenses - 1 0 0", "tax:income - 2 0 0", "- - 2 0 0"]);
        let names = ledger.data(SUMS, by(json!(2))).await;
        assert_eq!(names["accountSums"][0]["group"], json!({ "path": "tax:expenses:rent", "name": "Line 48: rent" }));
    }

    async fn entries_are_found_by_group(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        let find = "query ($filter: EntryFilter) { entries(filter: $filter) { totalCount edges { node { lines { amount { amount } } } } } }";
        let found = async |filter: Value| {
            let data = ledger.data(find, json!({ "filter": filter })).await;
            let edges = data["entries"]["edges"].as_array().unwrap();
            assert_eq!(data["entries"]["totalCount"], edges.len());
            edges.iter().map(|edge| edge["node"]["lines"][0]["amount"]["amount"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let range = json!({ "currency": "EUR", "min": 100, "max": 500 });
        for (filter, expected) in [
            (json!({ "accountGroup": of("tax") }), vec!["1000", "200", "30"]),
            (json!({ "accountGroup": of("tax:income") }), vec!["1000", "200"]),
            (json!({ "accountGroup": of("regions:north") }), vec!["200", "30"]),
            (json!({ "accountGroup": of("tax"), "amount": range }), vec!["200"]),
            (json!({ "accountGroup": of("tax"), "accountCodePrefix": "rent" }), vec!["30"]),
            (json!({ "accountGroup": of("regions"), "account": { "code": "sales:web" } }), vec![]),
        ] {
            assert_eq!(found(filter.clone()).await, expected, "{filter}");
        }
        let error = ledger.error(find, json!({ "filter": { "accountGroup": of("tax:no") } })).await;
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("GROUP_NOT_FOUND"), &json!("filter.accountGroup")), "{error}");
    }

    async fn each_refusal_of_groups_has_its_code(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        let before = ledger.count("group_change").await;
        let create = |path: &str| json!({ "input": { "path": path, "name": "n" } });
        let update = |path: &str, set: Value| {
            let mut input = set;
            input["group"] = of(path);
            json!({ "input": input })
        };
        let contents = |path: &str, accounts: &[&str], prefixes: &[&str]| json!({ "input": { "group": of(path), "accounts": codes(accounts), "codePrefixes": prefixes } });
        for (query, variables, code, details) in [
            (CREATE, create("tax"), "GROUP_PATH_TAKEN", json!({ "groupPath": "tax", "field": "path" })),
            (CREATE, create("tax:nothing:x"), "GROUP_NOT_FOUND", json!({ "group": "tax:nothing", "field": "path" })),
            (CREATE, create("tax: x"), "BAD_USER_INPUT", json!({ "field": "path" })),
            (CREATE, json!({ "input": { "path": "x", "name": " " } }), "BAD_USER_INPUT", json!({ "field": "name" })),
            (UPDATE, update("tax:no", json!({ "name": "x" })), "GROUP_NOT_FOUND", json!({ "group": "tax:no", "field": "group" })),
            (UPDATE, update("tax:income", json!({ "path": "tax:expenses" })), "GROUP_PATH_TAKEN", json!({ "groupPath": "tax:expenses" })),
            (UPDATE, update("tax:income", json!({ "path": "tax:income:sales:x" })), "BAD_USER_INPUT", json!({ "field": "path" })),
            (UPDATE, update("tax:income", json!({ "path": "regions:income" })), "BAD_USER_INPUT", json!({ "field": "path" })),
            (UPDATE, update("tax:income", json!({ "path": "income" })), "BAD_USER_INPUT", json!({ "field": "path" })),
            (UPDATE, update("tax", json!({ "path": "regions:tax" })), "BAD_USER_INPUT", json!({ "field": "path" })),
            (UPDATE, update("tax:income", json!({ "path": "tax:nothing:income" })), "GROUP_NOT_FOUND", json!({ "group": "tax:nothing", "field": "path" })),
            (UPDATE, update("tax:income", json!({ "path": null })), "BAD_USER_INPUT", json!({ "field": "path" })),
            (UPDATE, update("tax:income", json!({ "name": "x", "expectedRevision": "2" })), "VERSION_CONFLICT", json!({ "groupPath": "tax:income", "expected": "2", "actual": "1" })),
            (DELETE, update("tax:income", json!({})), "GROUP_NOT_EMPTY", json!({ "groups": "1", "accounts": "0", "codePrefixes": "0" })),
            (DELETE, update("tax:income:sales", json!({})), "GROUP_NOT_EMPTY", json!({ "groups": "0", "accounts": "0", "codePrefixes": "1" })),
            (DELETE, update("regions:north", json!({})), "GROUP_NOT_EMPTY", json!({ "groups": "0", "accounts": "2", "codePrefixes": "0" })),
            (ADD, contents("tax:no", &["rent"], &[]), "GROUP_NOT_FOUND", json!({ "group": "tax:no", "field": "group" })),
            (ADD, contents("tax", &["rent", "nobody"], &["x"]), "ACCOUNT_NOT_FOUND", json!({ "account": "nobody", "field": "accounts[1]" })),
            (ADD, contents("tax", &["rent"], &["ok", ""]), "BAD_USER_INPUT", json!({ "field": "codePrefixes[1]" })),
            (ADD, contents("tax", &[], &[]), "BAD_USER_INPUT", json!({ "field": "accounts" })),
            (REMOVE, contents("tax:expenses:rent", &["rent", "sales:web"], &[]), "BAD_USER_INPUT", json!({ "field": "accounts[1]" })),
            (REMOVE, contents("tax:income", &["rent"], &[]), "BAD_USER_INPUT", json!({ "field": "accounts[0]" })),
            (REMOVE, contents("tax:income:sales", &[], &["sales"]), "BAD_USER_INPUT", json!({ "field": "codePrefixes[0]" })),
            (SUMS, json!({ "by": ["GROUP"] }), "BAD_USER_INPUT", json!({ "field": "groupTree" })),
            (SUMS, json!({ "groupTree": "tax" }), "BAD_USER_INPUT", json!({ "field": "groupTree" })),
            (SUMS, json!({ "groupDepth": 1 }), "BAD_USER_INPUT", json!({ "field": "groupDepth" })),
            (SUMS, json!({ "by": ["GROUP"], "groupTree": "tax", "groupDepth": -1 }), "BAD_USER_INPUT", json!({ "field": "groupDepth" })),
            (SUMS, json!({ "by": ["GROUP"], "groupTree": "taxes" }), "GROUP_NOT_FOUND", json!({ "field": "groupTree", "group": "taxes" })),
            (SUMS, json!({ "by": ["GROUP"], "groupTree": "tax:income" }), "GROUP_NOT_FOUND", json!({ "field": "groupTree" })),
            (SUMS, json!({ "filter": { "group": of("taxes") } }), "GROUP_NOT_FOUND", json!({ "field": "filter.group", "group": "taxes" })),
            (SUMS, json!({ "filter": { "ungroupedIn": "taxes" } }), "GROUP_NOT_FOUND", json!({ "field": "filter.ungroupedIn" })),
            (SUMS, json!({ "filter": { "subgroups": true } }), "BAD_USER_INPUT", json!({ "field": "filter.subgroups" })),
            (CHANGES, json!({ "tree": "taxes" }), "GROUP_NOT_FOUND", json!({ "field": "tree" })),
            (CHANGES, json!({ "account": { "code": "nobody" } }), "ACCOUNT_NOT_FOUND", json!({ "field": "account" })),
        ] {
            let error = ledger.error(query, variables.clone()).await;
            let extensions = error["extensions"].as_object().unwrap();
            assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!(code), &json!(false)), "{variables}: {error}");
            for (name, value) in details.as_object().unwrap() {
                assert_eq!(extensions.get(name), Some(value), "{name} of {error}");
            }
            assert!(error["message"].as_str().unwrap().len() > 20, "{error}");
        }
        // All or none, and nothing of it stays.
        assert_eq!(ledger.count("group_change").await, before);
    }

    /// What was done, in which order and by whom, also of what is not there any more.
    async fn the_history_of_groups_says_who_did_what(test: TestDatabase) {
        let ledger = Ledger::guarded(test).await;
        let open = "mutation { openAccount(input: { code: \"a\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }) { account { id } } }";
        let steps = [
            ("ann", open),
            ("ann", r#"mutation { createAccountGroup(input: { path: "t", name: "Tree" }) { group { id } } }"#),
            ("bob", r#"mutation { createAccountGroup(input: { path: "t:one", name: "One" }) { group { id } } }"#),
            ("bob", r#"mutation { createAccountGroup(input: { path: "t:one:x", name: "X" }) { group { id } } }"#),
            ("cem", r#"mutation { addToAccountGroup(input: { group: { path: "t:one:x" }, accounts: [{ code: "a" }], codePrefixes: ["b"] }) { group { id } } }"#),
            ("dan", r#"mutation { updateAccountGroup(input: { group: { path: "t:one" }, path: "t:two", name: "Two" }) { group { id } } }"#),
            ("eve", r#"mutation { addToAccountGroup(input: { group: { path: "t" }, accounts: [{ code: "a" }] }) { group { id } } }"#),
            ("eve", r#"mutation { removeFromAccountGroup(input: { group: { path: "t:two:x" }, codePrefixes: ["b"] }) { group { id } } }"#),
            ("fay", r#"mutation { deleteAccountGroup(input: { group: { path: "t:two:x" } }) { path } }"#),
            // Again is no change.
            ("gus", r#"mutation { addToAccountGroup(input: { group: { path: "t" }, accounts: [{ code: "a" }] }) { group { id } } }"#),
            ("gus", r#"mutation { updateAccountGroup(input: { group: { path: "t:two" }, path: " t:two " }) { group { id } } }"#),
        ];
        for (who, query) in steps {
            let answer = sent_by(&ledger, who, query).await;
            assert_eq!(answer.get("errors"), None, "{query}: {answer}");
        }
        let all = "{ accountGroupChanges(tree: \"t\") { totalCount edges { node { group { path } account { code } codePrefix pathBefore pathAfter nameBefore nameAfter recordedBy } } } }";
        let answer = sent_by(&ledger, "ann", all).await;
        let changes = &answer["data"]["accountGroupChanges"];
        assert_eq!(changes["totalCount"], 10, "{answer}");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let edges = changes["edges"].as_array().unwrap().iter().rev();
        let told: Vec<String> = edges.map(|edge| {
            let node = &edge["node"];
            let what = [&node["account"]["code"], &node["codePrefix"], &node["pathBefore"], &node["pathAfter"], &node["nameBefore"], &node["nameAfter"], &node["group"]["path"], &node["recordedBy"]];
            what.map(text).join(" ")
        }).collect();
        assert_eq!(told, [
            "- - - t - Tree t ann",
            "- - - t:one - One t:two bob",
            "- - - t:one:x - X - bob",
            "a - - t:one:x - - - cem",
            "- b - t:one:x - - - cem",
            "- - t:one t:two One Two t:two dan",
            "- - t:one:x t:two:x X X - dan",
            "a - t:two:x t - - t eve",
            "- b t:two:x - - - - eve",
            "- - t:two:x - X - - fay",
        ]);
        let of_account = "{ accountGroupChanges(account: { code: \"a\" }, first: 1) { totalCount pageInfo { hasNextPage } edges { node { pathAfter } } } }";
        let answer = sent_by(&ledger, "ann", of_account).await;
        let changes = &answer["data"]["accountGroupChanges"];
        assert_eq!((&changes["totalCount"], &changes["pageInfo"]["hasNextPage"], &changes["edges"][0]["node"]["pathAfter"]), (&json!(2), &json!(true), &json!("t")), "{answer}");
        let observer = ledger.observer().await;
        let who = observer.texts("SELECT recorded_by FROM group_change ORDER BY number").await;
        let who: Vec<_> = who.iter().map(|it| it.as_deref().unwrap()).collect();
        assert_eq!(who, ["ann", "bob", "bob", "cem", "cem", "dan", "dan", "eve", "eve", "fay"]);
    }

    /// They go through the same unit as an entry: a key, a dry run, several fields that are all or none.
    async fn groups_keep_the_promises_of_the_unit(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let body = json!({ "query": CREATE, "variables": { "input": { "path": "t", "name": "T" } } });
        let mut ids = Vec::new();
        for replayed in [false, true] {
            let response = ledger.request(&body).header("idempotency-key", "\"k\"").send().await.unwrap();
            assert_eq!(response.headers().contains_key("idempotency-replayed"), replayed);
            let mut answer: Value = response.json().await.unwrap();
            ids.push(answer["data"]["createAccountGroup"]["group"]["id"].take());
        }
        assert_eq!((&ids[0], ledger.count("account_group").await), (&ids[1], 1));
        let dry = ledger.dry_run(ADD, json!({ "input": { "group": of("t"), "accounts": codes(&["alice"]) } })).await;
        assert_eq!(listed(&dry["data"]["addToAccountGroup"]["group"]["accounts"]), ["alice"], "{dry}");
        assert_eq!(ledger.count("group_member").await, 0);
        // A group, what is in it and an entry, in one operation: all of it, or none.
        let fields = r#"a: createAccountGroup(input: { path: "t:a", name: "A" }) { group { id } }
            b: addToAccountGroup(input: { group: { path: "t:a" }, accounts: [{ code: "alice" }], codePrefixes: ["ca"] }) { group { accounts { totalCount } } }"#;
        ledger.error(&format!(r#"mutation {{ {fields} c: deleteAccountGroup(input: {{ group: {{ path: "t:a" }} }}) {{ path }} }}"#), json!({})).await;
        assert_eq!((ledger.count("group_change").await, ledger.count("account_group").await), (1, 1));
        let done = ledger.data(&format!("mutation ($input: PostEntryInput!) {{ {fields} {} }}", "postEntry(input: $input) { accounts { code groups { codePrefix group { path } } } }"),
            json!({ "input": { "lines": [line("cash", "alice", 5, "EUR")] } })).await;
        assert_eq!(done["b"]["group"]["accounts"]["totalCount"], 2);
        let accounts = done["postEntry"]["accounts"].as_array().unwrap();
        let place = |code: &str| accounts.iter().find(|it| it["code"] == code).unwrap()["groups"].clone();
        assert_eq!(place("alice"), json!([{ "codePrefix": null, "group": { "path": "t:a" } }]));
        assert_eq!(place("cash"), json!([{ "codePrefix": "ca", "group": { "path": "t:a" } }]));
        assert_eq!(ledger.count("group_change").await, 4);
        ledger.data(POST, json!({ "input": { "lines": [line("cash", "alice", 1, "EUR")] } })).await;
        assert_eq!(ledger.data("{ verifyLedger { ok } }", json!({})).await["verifyLedger"]["ok"], true);
    }

    /// Many at the same time: each account is in one group of the tree, and each change is in the history.
    async fn many_put_one_account_into_groups_at_the_same_time(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        create(&ledger, "t", "T").await;
        for n in 0..8 {
            create(&ledger, &format!("t:{n}"), "n").await;
        }
        futures_util::future::join_all((0..16).map(|n| {
            let ledger = &ledger;
            async move { add(ledger, &format!("t:{}", n % 8), &["alice"], &["c"]).await }
        })).await;
        assert_eq!((ledger.count("group_member").await, ledger.count("group_prefix").await), (1, 1));
        let data = ledger.data("{ account(by: { code: \"alice\" }) { groups { group { path } } } accountGroupChanges(account: { code: \"alice\" }, first: 1) { edges { node { pathAfter } } } verifyLedger { ok } }", json!({})).await;
        assert_eq!(data["account"]["groups"][0]["group"]["path"], data["accountGroupChanges"]["edges"][0]["node"]["pathAfter"]);
        assert_eq!(data["verifyLedger"]["ok"], true);
    }

    /// A page of accounts with their groups costs a fixed handful of statements.
    async fn groups_of_a_page_are_one_statement(test: TestDatabase) {
        let ledger = Ledger::serve(test).await;
        shop(&ledger).await;
        let mut costs = Vec::new();
        for first in [1, 5] {
            let response = ledger.run("query ($first: Int!) { accounts(first: $first) { edges { node { code groups { codePrefix group { path tree { name } parent { name } children { name } codePrefixes } } } } } }", json!({ "first": first })).await;
            assert_eq!(response.get("errors"), None, "{response}");
            costs.push(response["extensions"]["unitOfWork"]["statements"].as_u64().unwrap());
        }
        // Accounts, their groups, and four of the groups.
        assert!(costs[1] <= 6, "{costs:?}");
    }
}
