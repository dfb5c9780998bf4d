//! What a document says is what happens, by the specification, on every transport; and what is known of a document changes no answer.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::Ledger;

/// How an operation can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Post,
    /// As a batch of one.
    Batch,
    /// In a batch that is all or nothing.
    Together,
    Events,
    Socket,
    /// Queries only.
    Get,
}

pub(super) const ALL: [Transport; 5] = [
    Transport::Post,
    Transport::Batch,
    Transport::Together,
    Transport::Events,
    Transport::Socket,
];

/// Sends an operation, and answers its one response. What a socket says is wrong is put as the others put it.
pub(super) async fn send(
    ledger: &Ledger,
    by: Transport,
    document: &str,
    variables: &Value,
) -> Value {
    let body = json!({ "query": document, "variables": variables });
    match by {
        Transport::Post => ledger
            .request(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap(),
        Transport::Batch | Transport::Together => {
            let mut request = ledger.request(&json!([body]));
            if by == Transport::Together {
                request = request.header("x-batch", "all-or-nothing");
            }
            let mut responses: Value = request.send().await.unwrap().json().await.unwrap();
            match responses.get_mut(0) {
                Some(response) => response.take(),
                // The batch is refused as a whole.
                None => responses,
            }
        }
        Transport::Events => {
            let request = ledger.request(&body).header("accept", "text/event-stream");
            let text = request.send().await.unwrap().text().await.unwrap();
            let data = text
                .lines()
                .find_map(|line| line.strip_prefix("data: "))
                .unwrap();
            serde_json::from_str(data).unwrap()
        }
        Transport::Socket => {
            let message = ledger
                .subscribe(document, variables.clone())
                .await
                .message()
                .await;
            match message["type"].as_str() {
                Some("error") => json!({ "errors": message["payload"] }),
                _ => message["payload"].clone(),
            }
        }
        Transport::Get => {
            let query = [("query", document), ("variables", &variables.to_string())];
            let url = reqwest::Url::parse_with_params("http://host/graphql", query).unwrap();
            let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
            let (_, text) = ledger.get(&path).await;
            serde_json::from_str(&text).unwrap()
        }
    }
}

fn input(amount: &str) -> String {
    format!(
        "input: {{ lines: [{{ debit: {{ code: \"cash\" }}, credit: {{ code: \"alice\" }}, amount: {amount}, currency: \"EUR\" }}] }}"
    )
}

on_every_engine! {
    /// Two selections of one mutation field are one execution.
    async fn a_mutation_field_happens_once(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let x = input("\"100\"");
        let documents = [
            format!("mutation {{ postEntry({x}) {{ entry {{ id }} }} postEntry({x}) {{ accounts {{ code }} }} }}"),
            format!("mutation {{ ...A ...B }} fragment A on Mutation {{ postEntry({x}) {{ entry {{ id }} }} }} fragment B on Mutation {{ postEntry({x}) {{ accounts {{ code }} }} }}"),
        ];
        let mut posted = 0;
        for by in ALL {
            for document in &documents {
                let response = send(&ledger, by, document, &json!({})).await;
                assert!(response["data"]["postEntry"]["entry"]["id"].is_string(), "{by:?}: {response}");
                assert_eq!(response["data"]["postEntry"]["accounts"][0]["code"], "cash", "{by:?}: {response}");
                posted += 100;
                assert_eq!(ledger.balance("alice").await, posted, "{by:?}");
            }
        }
        assert_eq!(ledger.count("entry").await, posted / 100);
    }

    /// An invalid document is refused with a code, and nothing of it happens.
    async fn what_is_wrong_does_not_happen(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let (one, many) = (input("\"1\""), input("\"5000\""));
        let invalid = "GRAPHQL_VALIDATION_FAILED";
        let none = json!({});
        let variable = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }";
        let lines = |line: Value| json!({ "input": { "lines": [line] } });
        let ref_to = |code: &str| json!({ "code": code });
        let cases: Vec<(String, Value, &str)> = vec![
            (format!("mutation {{ postEntry({one}) {{ entry {{ id }} }} ... on Mutation {{ postEntry({many}) {{ entry {{ id }} }} }} }}"), none.clone(), invalid),
            (format!("mutation {{ x: postEntry({one}) {{ entry {{ id }} }} ...F }} fragment F on Mutation {{ x: placeHold({one}) {{ entry {{ id }} }} }}"), none.clone(), invalid),
            (format!("mutation {{ postEntry({}) {{ entry {{ id }} }} }}", input("\"1\", amount: \"777\"")), none.clone(), invalid),
            ("mutation { setAccountStatus(input: { account: { code: \"alice\" }, status: \"FROZEN\" }) { account { id } } }".to_owned(), none.clone(), invalid),
            ("mutation ($code: String) { setAccountStatus(input: { account: { code: $code }, status: FROZEN }) { account { id } } }".to_owned(), json!({ "code": "alice" }), invalid),
            ("mutation { setAccountStatus(input: { account: { code: \"alice\", id: \"x\" }, status: FROZEN }) { account { id } } }".to_owned(), none.clone(), invalid),
            (format!("mutation {{ postEntry({}) {{ entry {{ id }} }} }}", input("\"x\"")), none.clone(), "BAD_USER_INPUT"),
            (format!("mutation {{ postEntry({one}) {{ entry {{ id }} }} __typename(x: 1) }}"), none.clone(), invalid),
            (format!("mutation {{ postEntry({one}) {{ entry {{ id }} }} __typename @foo }}"), none.clone(), invalid),
            (variable.to_owned(), lines(json!({ "debit": ref_to("cash"), "credit": ref_to("alice"), "amount": "x", "currency": "EUR" })), "BAD_USER_INPUT"),
            (variable.to_owned(), lines(json!({ "debit": ref_to("cash"), "credit": ref_to("alice"), "amount": 1, "currency": "euro" })), "BAD_USER_INPUT"),
            (variable.to_owned(), json!({ "input": { "lines": [], "effectiveAt": "yesterday" } }), "BAD_USER_INPUT"),
            (variable.to_owned(), lines(json!({ "debit": {}, "credit": ref_to("alice"), "amount": 1, "currency": "EUR" })), "BAD_USER_INPUT"),
        ];
        for (document, variables, code) in &cases {
            for by in ALL {
                let response = send(&ledger, by, document, variables).await;
                let error = &response["errors"][0];
                assert_eq!(error["extensions"]["code"], *code, "{by:?} {document}: {response}");
                // A request error has no data.
                assert_eq!(response.get("data"), None, "{by:?} {document}: {response}");
            }
        }
        assert_eq!(ledger.count("entry").await, 0);
        let status = ledger.data("{ account(by: { code: \"alice\" }) { status } }", Value::Null).await;
        assert_eq!(status["account"]["status"], "OPEN");
    }

    /// The error of a value names its path.
    async fn a_value_that_cannot_be_read_is_named(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let path = json!(["input", "lines", 0, "amount"]);
        let literal = format!("mutation {{ postEntry({}) {{ entry {{ id }} }} }}", input("\"1.5\""));
        let variable = "mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }";
        let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "1.5", "currency": "EUR" });
        for (document, variables) in [(literal.as_str(), json!({})), (variable, json!({ "input": { "lines": [line] } }))] {
            for by in ALL {
                let response = send(&ledger, by, document, &variables).await;
                let error = &response["errors"][0];
                assert_eq!(error["extensions"], json!({ "code": "BAD_USER_INPUT", "path": path }), "{by:?}: {response}");
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("input.lines[0].amount") && message.contains("64-bit"), "{message}");
                assert!(error["locations"][0]["line"].is_number(), "{response}");
            }
        }
    }

    async fn a_condition_sees_the_default_of_its_variable(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let document = format!("mutation ($dry: Boolean = true) {{ postEntry({}) @skip(if: $dry) {{ entry {{ id }} }} }}", input("\"7\""));
        for by in ALL {
            let response = send(&ledger, by, &document, &json!({})).await;
            assert_eq!(response["data"], json!({}), "{by:?}: {response}");
            assert_eq!(response.get("errors"), None, "{by:?}: {response}");
        }
        assert_eq!(ledger.count("entry").await, 0);
        for by in ALL {
            let response = send(&ledger, by, &document, &json!({ "dry": false })).await;
            assert!(response["data"]["postEntry"]["entry"]["id"].is_string(), "{by:?}: {response}");
        }
        assert_eq!(ledger.count("entry").await, 5);
    }

    async fn queries_mean_what_they_say(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1).await;
        ledger.post("cash", "alice", 2).await;
        let by_code = "account(by: { code: \"alice\" })";
        let versions = |response: &Value| -> Vec<Value> {
            let edges = response["data"]["account"]["statement"]["edges"].as_array().unwrap();
            edges.iter().map(|edge| edge["node"]["version"].clone()).collect()
        };
        let statement = format!("query ($d: OrderDirection) {{ {by_code} {{ statement(direction: $d) {{ edges {{ node {{ version }} }} }} }} }}");
        let typename = "query ($i: Boolean!) { __typename @include(if: $i) }";
        let interfaces = "{ account: __type(name: \"Account\") { interfaces { name } } node: __type(name: \"Node\") { interfaces { name } } }";
        for by in ALL.into_iter().chain([Transport::Get]) {
            let response = send(&ledger, by, &statement, &json!({})).await;
            assert_eq!(versions(&response), ["1", "2"], "{by:?}");
            let response = send(&ledger, by, &statement, &json!({ "d": "DESC" })).await;
            assert_eq!(versions(&response), ["2", "1"], "{by:?}");
            let response = send(&ledger, by, typename, &json!({ "i": true })).await;
            assert_eq!(response["data"], json!({ "__typename": "Query" }), "{by:?}: {response}");
            let response = send(&ledger, by, typename, &json!({ "i": false })).await;
            assert_eq!(response["data"], json!({}), "{by:?}: {response}");
            let response = send(&ledger, by, interfaces, &json!({})).await;
            assert_eq!(response["data"], json!({ "account": { "interfaces": [{ "name": "Node" }] }, "node": { "interfaces": [] } }), "{by:?}");
            // A number without a fraction, and a description.
            let page = "\"How many.\" query ($n: Int) { accounts(first: $n) { totalCount } }";
            let response = send(&ledger, by, page, &json!({ "n": 1.0 })).await;
            assert_eq!(response["data"]["accounts"]["totalCount"], 2, "{by:?}: {response}");
            // Values that conflict below merged fields.
            let conflict = format!("{{ {by_code} {{ balances {{ version }} }} {by_code} {{ balances(at: {{ version: \"0\" }}) {{ version }} }} }}");
            let response = send(&ledger, by, &conflict, &json!({})).await;
            assert_eq!(response["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{by:?}: {response}");
        }
    }

    async fn texts_are_stored_as_they_are_meant(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let input = input("\"1\"").replacen("input: {", "input: { description: TEXT,", 1);
        for (text, meant) in [
            (r#""""a \""" b""""#, "a \"\"\" b"),
            (r#""\uD83D\uDE00""#, "😀"),
            (r#""\u{1F600}""#, "😀"),
        ] {
            let document = format!("mutation {{ postEntry({}) {{ entry {{ description }} }} }}", input.replace("TEXT", text));
            for by in ALL {
                let response = send(&ledger, by, &document, &json!({})).await;
                assert_eq!(response["data"]["postEntry"]["entry"]["description"], meant, "{by:?}: {response}");
            }
        }
    }

    /// Both fields in one event, of one stream, over a socket and as server-sent events.
    async fn a_subscription_is_one_stream(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let posted = ledger.post("cash", "alice", 1).await["entry"]["id"].take();
        let expected = json!({ "data": { "entryPosted": { "entry": { "id": posted, "kind": "POST" } } } });
        for document in [
            "subscription { ...F } fragment F on Subscription { entryPosted(after: \"0\") { entry { id kind } } }",
            "subscription { entryPosted(after: \"0\") { entry { id } } entryPosted(after: \"0\") { entry { kind } } }",
        ] {
            let mut feed = ledger.subscribe(document, json!({})).await;
            assert_eq!(feed.event().await, expected, "{document}");
            // No second stream has another one.
            feed.settled().await;
            let body = json!({ "query": document });
            let mut response = ledger.request(&body).header("accept", "text/event-stream").send().await.unwrap();
            let mut text = String::new();
            while !text.contains("\n\n") {
                text += &String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap());
            }
            let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            assert_eq!(serde_json::from_str::<Value>(data).unwrap(), expected, "{document}");
        }
    }

    /// What an answer could have is counted before anything runs.
    async fn what_would_be_too_much_is_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let ids = vec!["\"x\""; 100].join(",");
        let documents = [
            "{ accounts(first: 100) { ...A } } fragment A on AccountConnection { edges { node { statement(first: 100) { ...S } } } } fragment S on StatementLineConnection { edges { node { version side balanceAfter { amount decimal } } } }".to_owned(),
            format!("{{ nodes(ids: [{ids}]) {{ ... on Account {{ statement(first: 100) {{ edges {{ node {{ counterparty {{ statement(first: 100) {{ edges {{ cursor }} }} }} }} }} }} }} }} }}"),
            "{ __type(name: \"Query\") { ".to_owned() + &"fields { type { ".repeat(9) + "name" + &" } }".repeat(9) + " } }",
        ];
        for (document, limit) in documents.iter().zip([json!("complexity"), json!("complexity"), Value::Null]) {
            for by in ALL.into_iter().chain([Transport::Get]) {
                let response = send(&ledger, by, document, &json!({})).await;
                let extensions = &response["errors"][0]["extensions"];
                assert_eq!(extensions["code"], "GRAPHQL_VALIDATION_FAILED", "{by:?}: {response}");
                assert_eq!(extensions["limit"], limit, "{by:?}: {response}");
            }
        }
        // Ordinary documents are not refused.
        let entries = "{ entries(first: 100) { edges { cursor node { id kind lines { id amount { amount decimal currency } debit { code } credit { code } } } } } }";
        ledger.data(entries, json!({})).await;
    }
}

on_every_engine! {
    /// A variable that may be null stands where null cannot, since one of the two has a default. The engine reads null for a list as
    /// `[null]`, and runs what stands before a field that it cannot read.
    async fn null_is_refused_where_it_cannot_stand(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 1).await;
        let x = input("\"100\"");
        let line = "{ debit: { code: \"cash\" }, credit: { code: \"alice\" }, amount: 1, currency: \"EUR\" }";
        let mutations = [
            format!("mutation ($a: [LineInput!] = [{line}]) {{ first: postEntry({x}) {{ entry {{ id }} }} second: postEntry(input: {{ lines: $a }}) {{ entry {{ id }} }} }}"),
            format!("mutation ($a: LineInput = {line}) {{ first: postEntry({x}) {{ entry {{ id }} }} second: postEntry(input: {{ lines: [$a] }}) {{ entry {{ id }} }} }}"),
            format!("mutation ($a: Int64 = 1) {{ first: postEntry({x}) {{ entry {{ id }} }} ...F }} fragment F on Mutation {{ second: postEntry({}) {{ entry {{ id }} }} }}", input("$a")),
            format!("mutation ($a: OrderDirection) {{ postEntry({x}) {{ accounts {{ statement(direction: $a) {{ edges {{ cursor }} }} }} }} }}"),
        ];
        let queries = [
            "query ($a: [ID!] = []) { __typename nodes(ids: $a) { id } }",
            "query ($a: ID = \"x\") { nodes(ids: [$a]) { id } }",
            "query ($a: OrderDirection = null) { account(by: { code: \"alice\" }) { statement(direction: $a) { edges { cursor } } } }",
        ];
        let documents = mutations.iter().map(String::as_str).chain(queries);
        for document in documents {
            for by in ALL {
                let response = send(&ledger, by, document, &json!({ "a": null })).await;
                let error = &response["errors"][0];
                assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{by:?}: {document}: {response}");
                assert_eq!(error["extensions"]["path"], json!(["a"]), "{by:?}: {document}: {response}");
                assert!(response["data"].is_null(), "{by:?}: {document}: {response}");
            }
        }
        assert_eq!(ledger.count("entry").await, 1);
        // With their defaults they run.
        for (index, document) in mutations.iter().enumerate() {
            let response = send(&ledger, Transport::Post, document, &json!({})).await;
            assert!(response.get("errors").is_none(), "{index}: {response}");
        }
        assert_eq!(ledger.count("entry").await, 8);
    }
}

const ACCOUNT: &str = "query ($id: ID!, $code: String!) { account(by: { id: $id }) { code } other: account(by: { code: $code }) { name } }";
const PAGE: &str = "query ($first: Int, $filter: AccountFilter, $currency: CurrencyCode) {
    accounts(first: $first, filter: $filter) { edges { node { code } } }
    other: accounts(filter: { currency: $currency }) { totalCount }
}";

on_every_engine! {
    async fn what_is_known_of_a_document_changes_no_answer(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let id = ledger.data("{ account(by: { code: \"cash\" }) { id } }", Value::Null).await["account"]["id"].clone();
        let cases = [
            (ACCOUNT, json!({ "id": id, "code": "alice" }), vec![
                json!({ "id": "nobody", "code": "nobody" }),
                json!({ "id": null, "code": "alice" }),
                json!({ "code": "alice" }),
                json!({ "id": id }),
                json!({ "id": 5, "code": "alice" }),
                json!({ "id": id, "code": 5 }),
                json!({ "id": id, "code": ["alice"] }),
                json!({ "id": { "a": 1 }, "code": "alice" }),
            ]),
            (PAGE, json!({ "first": 1, "filter": { "currency": "EUR" }, "currency": "EUR" }), vec![
                json!({ "first": "1" }),
                json!({ "first": 1.5 }),
                json!({ "first": -1 }),
                json!({ "first": 2_147_483_648_i64 }),
                json!({ "first": null }),
                json!({}),
                json!({ "filter": { "currency": 5 } }),
                json!({ "filter": { "nothing": 5 } }),
                json!({ "currency": 5 }),
                json!({ "currency": "EUR" }),
            ]),
        ];
        let mut serial = 0;
        for (document, good, others) in cases {
            // The first puts the document into the cache; the others use the cache.
            for _ in 0..3 {
                ledger.data(document, good.clone()).await;
            }
            for variables in others {
                for _ in 0..3 {
                    serial += 1;
                    let new = format!("{document} # {serial}");
                    let [known, new] = [document, &new].map(async |document| {
                        let answer = ledger.run(document, variables.clone()).await;
                        (answer["data"].clone(), answer["errors"].clone())
                    });
                    assert_eq!(known.await, new.await, "{variables}");
                }
            }
        }
    }
}
