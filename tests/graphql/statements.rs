//! Statements and balances in history, as clients meet them.

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::server::{Ledger, POST, line};

const STATEMENT: &str = "query ($code: String!, $first: Int, $after: String, $last: Int, $before: String, $filter: StatementFilter, $orderBy: StatementOrderField! = RECORDED_AT, $direction: OrderDirection! = ASC) {
  account(by: { code: $code }) {
    statement(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy, direction: $direction) {
      totalCount
      edges { cursor node { version side change { amount } balanceAfter { amount } counterparty { code } line { effect } entry { description } } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}";

async fn page(ledger: &Ledger, mut variables: Value) -> Value {
    variables["code"] = json!("alice");
    ledger.data(STATEMENT, variables).await["account"]["statement"].take()
}

fn versions(page: &Value) -> Vec<i64> {
    lines(page)
        .into_iter()
        .map(|(version, _)| version)
        .collect()
}

/// The version and the balance after each line.
fn lines(page: &Value) -> Vec<(i64, i64)> {
    let edges = page["edges"].as_array().unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let line = |edge: &Value| {
        let node = &edge["node"];
        (
            number(&node["version"]),
            number(&node["balanceAfter"]["amount"]),
        )
    };
    edges.iter().map(line).collect()
}

/// All lines (version and balance after it) that pages of three make up, one way, and whether each page said rightly whether others lie
/// beside it.
async fn walk(
    ledger: &Ledger,
    (order_by, filter): (&str, &Value),
    direction: &str,
    forward: bool,
    all: &[(i64, i64)],
) {
    let (size, cursor, more, edge, other) = if forward {
        (
            "first",
            "after",
            "hasNextPage",
            "endCursor",
            "hasPreviousPage",
        )
    } else {
        (
            "last",
            "before",
            "hasPreviousPage",
            "startCursor",
            "hasNextPage",
        )
    };
    let (mut seen, mut place) = (Vec::new(), Value::Null);
    loop {
        let mut variables =
            json!({ "filter": filter, "orderBy": order_by, "direction": direction });
        variables[size] = json!(3);
        variables[cursor] = place.take();
        let page = page(ledger, variables).await;
        assert_eq!(page["pageInfo"][other], json!(!seen.is_empty()), "{page}");
        assert_eq!(page["totalCount"], json!(all.len()), "{filter} {page}");
        let lines = lines(&page);
        seen = if forward {
            [seen, lines].concat()
        } else {
            [lines, seen].concat()
        };
        if page["pageInfo"][more] == json!(false) {
            break;
        }
        place = page["pageInfo"][edge].clone();
    }
    assert_eq!(seen, all, "{order_by} {filter} {direction} {size}");
}

on_every_engine! {
    async fn a_statement_has_every_line_with_the_balance_after_it(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 100).await;
        ledger.post("alice", "cash", 30).await;
        let hold = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
        ledger.data(hold, json!({ "input": { "lines": [line("alice", "cash", 20, "EUR")], "description": "aside" } })).await;
        let page = page(&ledger, json!({})).await;
        let nodes: Vec<_> = page["edges"].as_array().unwrap().iter().map(|edge| edge["node"].clone()).collect();
        let node = |version: &str, side, change: &str, after: &str, effect, description: Value| json!({
            "version": version, "side": side, "change": { "amount": change }, "balanceAfter": { "amount": after },
            "counterparty": { "code": "cash" }, "line": { "effect": effect }, "entry": { "description": description },
        });
        assert_eq!(nodes, [
            node("1", "CREDIT", "100", "100", "POST", Value::Null),
            node("2", "DEBIT", "-30", "70", "POST", Value::Null),
            node("3", "DEBIT", "0", "70", "HOLD", json!("aside")),
        ]);
        assert_eq!(page["pageInfo"]["hasNextPage"], false);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], false);
    }

    /// Pages of three, both ways, in both directions, in either order, with and without a filter: every line once, in order, with the balance
    /// after it in that order.
    async fn every_page_once_in_order_both_ways(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for number in 0..8 {
            let at = format!("2026-01-{:02}T00:00:00Z", 20 - number);
            let (debit, credit) = if number % 3 == 2 { ("alice", "cash") } else { ("cash", "alice") };
            ledger.data(POST, json!({ "input": { "lines": [line(debit, credit, 5, "EUR")], "effectiveAt": at } })).await;
        }
        // Posted in the order of versions, each a day before the one before it; lines 3 and 6 are debits.
        let change = |version: &i64| if version % 3 == 0 { -5 } else { 5 };
        let balances = |order: Vec<i64>| -> Vec<(i64, i64)> {
            let sums = order.iter().scan(0, |sum, version| { *sum += change(version); Some(*sum) });
            order.iter().copied().zip(sums).collect()
        };
        for (order_by, all) in [("RECORDED_AT", balances((1..=8).collect())), ("EFFECTIVE_AT", balances((1..=8).rev().collect()))] {
            for (filter, versions) in [
                (Value::Null, vec![1, 2, 3, 4, 5, 6, 7, 8]),
                (json!({ "side": "DEBIT" }), vec![3, 6]),
                (json!({ "side": "CREDIT", "effects": ["POST"] }), vec![1, 2, 4, 5, 7, 8]),
                (json!({ "effects": ["POST", "CAPTURE"] }), vec![1, 2, 3, 4, 5, 6, 7, 8]),
                (json!({ "effects": ["HOLD"] }), vec![]),
                (json!({ "effects": [] }), vec![]),
                (json!({ "effectiveFrom": "2026-01-15T00:00:00Z", "effectiveUntil": "2026-01-20T00:00:00Z" }), vec![2, 3, 4, 5, 6]),
                (json!({ "effectiveFrom": "2026-01-15", "effectiveUntil": "2026-01-19", "side": "CREDIT" }), vec![2, 4, 5]),
            ] {
                let all: Vec<(i64, i64)> = all.iter().copied().filter(|(version, _)| versions.contains(version)).collect();
                let reversed: Vec<(i64, i64)> = all.iter().rev().copied().collect();
                for forward in [true, false] {
                    walk(&ledger, (order_by, &filter), "ASC", forward, &all).await;
                    walk(&ledger, (order_by, &filter), "DESC", forward, &reversed).await;
                }
            }
        }
    }

    /// The statement of a month begins with what was there before it, in a page of its own order, and an entry that is dated back into it
    /// changes every balance after it.
    async fn statement_of_a_month_has_what_was_dated_back_into_it(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let post = async |amount: i64, at: &str| {
            ledger.data(POST, json!({ "input": { "lines": [line("cash", "alice", amount, "EUR")], "effectiveAt": at } })).await;
        };
        for (amount, at) in [(1000, "2026-02-27"), (20, "2026-03-05"), (3, "2026-03-09"), (4, "2026-04-01")] {
            post(amount, at).await;
        }
        let march = json!({ "filter": { "effectiveFrom": "2026-03-01", "effectiveUntil": "2026-03-31" }, "orderBy": "EFFECTIVE_AT" });
        let statement = page(&ledger, march.clone()).await;
        assert_eq!(lines(&statement), [(2, 1020), (3, 1023)]);
        let read_before = statement["edges"][0]["cursor"].clone();
        post(500, "2026-03-05").await;
        post(600, "2026-02-28").await;
        assert_eq!(lines(&page(&ledger, march.clone()).await), [(2, 1620), (5, 2120), (3, 2123)]);
        // A cursor that was given before is still a place in the order.
        let mut after = march.clone();
        after["after"] = read_before;
        assert_eq!(lines(&page(&ledger, after).await), [(5, 2120), (3, 2123)]);
        // The closing balance of the month is the balance at its end.
        let query = "{ account(by: { code: \"alice\" }) { balances(at: { effectiveAt: \"2026-03-31\" }) { posted { amount } } } }";
        assert_eq!(ledger.data(query, json!({})).await["account"]["balances"]["posted"]["amount"], "2123");
        // Two late lines, each on two accounts.
        assert_eq!(ledger.observer().await.i64("SELECT COUNT(*) FROM late_place").await, 4);
    }

    async fn wrong_arguments_are_refused(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 5).await;
        let cursor = async |code: &str, order_by: &str| {
            let variables = json!({ "code": code, "orderBy": order_by });
            ledger.data(STATEMENT, variables).await["account"]["statement"]["pageInfo"]["endCursor"].take()
        };
        for (wrong, field) in [
            (json!({ "first": 101 }), "first"),
            (json!({ "last": -1 }), "last"),
            (json!({ "first": 1, "last": 1 }), "last"),
            (json!({ "after": "nonsense" }), "after"),
            (json!({ "before": cursor("cash", "RECORDED_AT").await }), "before"),
            (json!({ "before": cursor("cash", "EFFECTIVE_AT").await, "orderBy": "EFFECTIVE_AT" }), "before"),
            (json!({ "after": cursor("alice", "EFFECTIVE_AT").await }), "after"),
            (json!({ "after": cursor("alice", "RECORDED_AT").await, "orderBy": "EFFECTIVE_AT" }), "after"),
            (json!({ "filter": { "effectiveFrom": "0000-12-31T00:00:00Z" }, "orderBy": "EFFECTIVE_AT" }), "filter.effectiveFrom"),
        ] {
            let mut variables = wrong.clone();
            variables["code"] = json!("alice");
            let response = ledger.run(STATEMENT, variables).await;
            assert_eq!(response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{wrong}: {response}");
            assert_eq!(response["errors"][0]["extensions"]["field"], field, "{wrong}: {response}");
        }
        // Nothing is asked for, and what lies around it is told.
        let page = page(&ledger, json!({ "first": 0 })).await;
        assert_eq!((versions(&page), &page["pageInfo"]["hasNextPage"]), (vec![], &json!(true)));
    }

    /// The newest lines of twenty accounts cost one statement, as those of one do. With a filter it takes another one to count those of all of
    /// them; without, it is known how many there are.
    async fn statements_of_a_page_of_accounts_are_one_statement(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        for n in 0..20 {
            let code = format!("customer {n:02}");
            ledger.open(&code, "EUR", "CREDIT", "NONE").await;
            for amount in 1..=n {
                ledger.post("cash", &code, amount).await;
            }
        }
        let query = "query ($first: Int!, $filter: StatementFilter, $orderBy: StatementOrderField!) { accounts(first: $first, filter: { codePrefix: \"customer\" }) { edges { node {
            code statement(last: 10, filter: $filter, orderBy: $orderBy) { totalCount edges { node { version balanceAfter { amount } } } pageInfo { hasPreviousPage } } } } } }";
        // Only if the filter leaves out what moves money, the balances in effective order take a second one.
        for (order_by, filter, statements) in [
            ("RECORDED_AT", Value::Null, 2),
            ("RECORDED_AT", json!({ "effects": ["POST"] }), 3),
            ("EFFECTIVE_AT", Value::Null, 2),
            ("EFFECTIVE_AT", json!({ "effects": ["POST", "CAPTURE"], "effectiveFrom": "2020-01-01" }), 3),
            ("EFFECTIVE_AT", json!({ "effects": ["POST"] }), 4),
        ] {
            let mut costs = Vec::new();
            for n in [1, 20] {
                let response = ledger.run(query, json!({ "first": n, "filter": filter, "orderBy": order_by })).await;
                let edges = response["data"]["accounts"]["edges"].as_array().unwrap_or_else(|| panic!("{response}")).clone();
                assert_eq!(edges.len(), n);
                for (index, edge) in edges.iter().enumerate() {
                    let statement = &edge["node"]["statement"];
                    let newest = i64::try_from(index).unwrap();
                    let expected: Vec<i64> = ((newest - 9).max(1)..=newest).collect();
                    assert_eq!(versions(statement), expected);
                    assert_eq!(statement["totalCount"], json!(newest));
                    assert_eq!(statement["pageInfo"]["hasPreviousPage"], json!(newest > 10));
                    if let Some(last) = statement["edges"].as_array().unwrap().last() {
                        assert_eq!(last["node"]["balanceAfter"]["amount"], (newest * (newest + 1) / 2).to_string());
                    }
                }
                costs.push(response["extensions"]["unitOfWork"]["statements"].clone());
            }
            // The accounts, and their lines: of the first there are none, and nothing is asked. In effective order, MariaDB asks for the edges first.
            let edges = i32::from(order_by == "EFFECTIVE_AT" && ledger.engine() == Engine::MariaDb);
            assert_eq!(costs, [json!(1), json!(statements + edges)], "{order_by} {filter}");
        }
    }

    async fn balances_at_each_kind_of_point(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        let post = async |amount: i64, at: &str| {
            let input = json!({ "lines": [line("cash", "alice", amount, "EUR")], "effectiveAt": at });
            ledger.data(POST, json!({ "input": input })).await["postEntry"]["entry"]["recordedAt"].take()
        };
        let first = post(100, "2026-03-10T00:00:00Z").await;
        post(7, "2026-03-01T00:00:00Z").await;
        let query = "query ($at: PointInTime) { account(by: { code: \"alice\" }) { balances(at: $at) { posted { amount } available { amount } version } } }";
        for (at, posted, version) in [
            (Value::Null, "107", "2"),
            (json!({ "version": 0 }), "0", "0"),
            (json!({ "version": "1" }), "100", "1"),
            (json!({ "version": 2 }), "107", "2"),
            (json!({ "recordedAt": first }), "100", "1"),
            (json!({ "recordedAt": "2020-01-01T00:00:00Z" }), "0", "0"),
            (json!({ "recordedAt": "9999-01-01T00:00:00Z" }), "107", "2"),
            (json!({ "effectiveAt": "2026-02-28T23:59:59Z" }), "0", "0"),
            (json!({ "effectiveAt": "2026-03-01T00:00:00Z" }), "7", "1"),
            (json!({ "effectiveAt": "2026-03-10T00:00:00Z" }), "107", "2"),
        ] {
            let data = ledger.data(query, json!({ "at": at })).await;
            let expected = json!({ "posted": { "amount": posted }, "available": { "amount": posted }, "version": version });
            assert_eq!(data["account"]["balances"], expected, "{at}");
        }
        for wrong in [json!({ "version": 3 }), json!({ "version": -1 })] {
            let response = ledger.run(query, json!({ "at": wrong })).await;
            assert_eq!(response["errors"][0]["extensions"], json!({ "code": "BAD_USER_INPUT", "retryable": false, "field": "at.version" }));
        }
    }

    /// A page of accounts at one point costs one statement for all of them.
    async fn balances_of_a_page_of_accounts_are_one_statement(test: TestDatabase) {
        let ledger = Ledger::with_accounts(test).await;
        ledger.post("cash", "alice", 5).await;
        let query = "{ accounts { edges { node { a: balances(at: { recordedAt: \"2020-01-01T00:00:00Z\" }) { version }
            b: balances(at: { effectiveAt: \"2999-01-01T00:00:00Z\" }) { version } } } } }";
        let response = ledger.run(query, json!({})).await;
        let nodes = json!([{ "node": { "a": { "version": "0" }, "b": { "version": "1" } } }, { "node": { "a": { "version": "0" }, "b": { "version": "1" } } }]);
        assert_eq!(response["data"]["accounts"]["edges"], nodes, "{response}");
        assert_eq!(response["extensions"]["unitOfWork"]["statements"], 3);
    }
}
