//! The budget of round trips: what each kind of operation sends to PostgreSQL, and how much of it the response waits for.
//!
//! A flight is what the server sends before it waits for an answer: one round trip. What is listed as `after` is sent when
//! the response is on its way already. To shorten a list is the aim; a list that grows needs a reason.

use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually};
use serde_json::{Value, json};
use unit_of_work::DatabaseOptions;

use super::server::{Ledger, line};

/// The statements that one kind of operation may send.
struct Budget {
    what: &'static str,
    query: &'static str,
    variables: Value,
    with_a_key: bool,
    /// Those that the response waits for.
    waits_for: &'static [&'static str],
    /// Those that are sent after the response.
    after: &'static [&'static str],
}

const POST: &str = "mutation ($input: PostEntryInput!) {
  postEntry(input: $input) { entry { id lines { amount { amount } } } accounts { id balances { posted { amount } } } }
}";

/// A reader of more than one statement: its snapshot begins with the first, and is let go when the response has left.
const BEGIN: &str = "BEGIN";
/// A writer asks for its transaction's name in the same flight, to be able to ask what became of it.
const BEGIN_TO_WRITE: &str = "BEGIN; SELECT pg_current_xact_id";
const READ_AFTER: &[&str] = &["ROLLBACK"];
/// The entry, its accounts' totals and its lines, in one statement.
const WRITE: &str = "INSERT entry, UPDATE account, INSERT entry_line";

fn budgets() -> Vec<Budget> {
    let read = |what, query, waits_for| Budget {
        what,
        query,
        variables: json!({}),
        with_a_key: false,
        waits_for,
        // One statement is a snapshot by itself: there is nothing to let go.
        after: if waits_for.first() == Some(&BEGIN) {
            READ_AFTER
        } else {
            &[]
        },
    };
    let write = |what, query, input, waits_for| Budget {
        what,
        query,
        variables: json!({ "input": input }),
        with_a_key: false,
        waits_for,
        after: &[],
    };
    let one = || json!({ "lines": [line("cash", "alice", 1, "EUR")] });
    let two =
        || json!({ "lines": [line("cash", "alice", 1, "EUR"), line("alice", "bob", 1, "EUR")] });
    vec![
        read("nothing", "{ __typename }", &[]),
        read(
            "an operation that is not valid",
            "{ account { nothing } }",
            &[],
        ),
        read(
            "one account with its balance",
            "{ account(by: { code: \"cash\" }) { id balances { posted { amount } version } } }",
            &["SELECT account"],
        ),
        read(
            "one entry by its reference",
            "{ entry(by: { reference: \"order-7\" }) { id kind } }",
            &["SELECT entry"],
        ),
        read(
            "several of them: one statement",
            "{ a: entry(by: { reference: \"order-7\" }) { id } b: entry(by: { reference: \"order-8\" }) { id } }",
            &["SELECT entry"],
        ),
        read(
            "decimals: the currencies, once",
            "{ account(by: { code: \"cash\" }) { balances { posted { decimal } available { decimal } } } }",
            &[BEGIN, "SELECT account", "SELECT currency"],
        ),
        read(
            "two root fields: one snapshot",
            "{ a: account(by: { code: \"cash\" }) { id } b: account(by: { code: \"alice\" }) { id } }",
            &[BEGIN, "SELECT account", "SELECT account"],
        ),
        read(
            "a page of accounts",
            "{ accounts(first: 20) { edges { node { id code } } } }",
            &["SELECT account"],
        ),
        read(
            "a page of entries, their lines and the accounts of those: a statement a level",
            "{ entries(first: 20) { edges { node { lines { debit { code } credit { code } } } } } }",
            &[BEGIN, "SELECT entry", "SELECT entry_line", "SELECT account"],
        ),
        read(
            "accounts and the last lines of their statements: one statement for all of these",
            "{ accounts(first: 20) { edges { node { statement(last: 10) { edges { node { change { amount } } } } } } } }",
            &[BEGIN, "SELECT account", "SELECT slice"],
        ),
        // The accounts, locked, so that what follows is known; then everything that changes, at once. What the mutation
        // answers with is known by then. The accounts are locked for one flight and the COMMIT.
        write(
            "an entry of one line",
            POST,
            one(),
            &[BEGIN_TO_WRITE, "SELECT account", WRITE, "COMMIT"],
        ),
        write(
            "an entry of two lines over three accounts: no statement more",
            POST,
            two(),
            &[BEGIN_TO_WRITE, "SELECT account", WRITE, "COMMIT"],
        ),
        write(
            "an entry that is refused",
            POST,
            json!({ "lines": [line("alice", "cash", 1_000_000, "EUR")] }),
            &[BEGIN_TO_WRITE, "SELECT account", "ROLLBACK"],
        ),
        Budget {
            with_a_key: true,
            ..write(
                "an entry with an idempotency key",
                POST,
                one(),
                &[
                    BEGIN_TO_WRITE,
                    "INSERT unit_of_work_idempotency",
                    "SELECT account",
                    WRITE,
                    "UPDATE unit_of_work_idempotency",
                    "COMMIT",
                ],
            )
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_keeps_to_its_budget() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let url = proxy.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.max_connections = 1;
    let ledger = Ledger::serve_at(test, &url, options).await;
    ledger.open("cash", "EUR", "DEBIT", "NONE").await;
    for code in ["alice", "bob"] {
        ledger
            .open(code, "EUR", "CREDIT", "NO_DEBIT_OVERDRAFT")
            .await;
    }
    // Where there is nothing to read further, a query makes fewer statements.
    ledger.post("cash", "alice", 100).await;
    for budget in budgets() {
        // Once before, so that the statements are prepared.
        send(&ledger, &budget, "warming-up").await;
        settle(&proxy, &budget).await;
        proxy.clear_log();
        // While the first of what comes after is held back, the response arrives all the same.
        let held = budget.after.first().copied();
        let gate = held.map(|held| proxy.hold(move |sql| shape(sql) == held));
        send(&ledger, &budget, "measured").await;
        if let Some(gate) = gate {
            gate.reached().await;
            gate.release();
            settle(&proxy, &budget).await;
        }
        let sent: Vec<String> = proxy.log().iter().map(|sql| shape(sql)).collect();
        assert_eq!(
            sent,
            [budget.waits_for, budget.after].concat(),
            "{}",
            budget.what
        );
    }
}

async fn send(ledger: &Ledger, budget: &Budget, key: &str) {
    let body = json!({ "query": budget.query, "variables": budget.variables });
    let mut request = ledger.request(&body);
    if budget.with_a_key {
        request = request.header("idempotency-key", key);
    }
    request.send().await.unwrap().text().await.unwrap();
}

/// Waits until what comes after the response has been sent too.
async fn settle(proxy: &WireProxy, budget: &Budget) {
    if let Some(last) = budget.after.last() {
        eventually(budget.what, async || {
            proxy.log().last().is_some_and(|sql| shape(sql) == *last)
        })
        .await;
    }
}

/// The verbs and tables of what one statement writes.
fn parts(words: &[&str]) -> String {
    let verb = |pair: &[&str]| match (pair[0].trim_start_matches('('), pair[1]) {
        ("INSERT", "INTO") => Some("INSERT"),
        ("UPDATE", _) => Some("UPDATE"),
        _ => None,
    };
    let parts = words.windows(3).filter_map(|three| {
        let verb = verb(&three[..2])?;
        let table = if verb == "INSERT" { three[2] } else { three[1] };
        Some(format!("{verb} {}", table.trim_matches('"')))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A statement without what is in parentheses, such as the selects within it.
fn outside(sql: &str) -> String {
    let mut depth = 0_usize;
    let keep = |c: &char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    };
    sql.chars().filter(keep).collect()
}

/// The verb and the table of each statement in a flight.
fn shape(flight: &str) -> String {
    let statement = |sql: &str| {
        let words: Vec<&str> = sql.split_whitespace().collect();
        let outside = outside(sql);
        let outside: Vec<&str> = outside.split_whitespace().collect();
        let from = || {
            let at = outside.iter().position(|other| *other == "FROM")?;
            Some(outside.get(at + 1)?.trim_matches('"'))
        };
        let after = |word| {
            let at = words.iter().position(|other| *other == word)?;
            Some(words.get(at + 1)?.trim_matches('"'))
        };
        let table = match words.first().copied() {
            Some("SELECT" | "DELETE") => from(),
            Some("WITH") if sql.contains("INSERT") => return parts(&words),
            Some("WITH") => return "SELECT slice".to_owned(),
            Some("INSERT") => after("INTO"),
            Some("UPDATE") => after("UPDATE"),
            _ => None,
        };
        match table {
            Some(table) => format!("{} {table}", words[0]),
            None => sql.split('(').next().unwrap_or_default().to_owned(),
        }
    };
    flight
        .split("; ")
        .map(statement)
        .collect::<Vec<_>>()
        .join("; ")
}
