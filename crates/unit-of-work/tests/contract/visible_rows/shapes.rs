//! Random statements, on a database of two tenants and on one in which only one of them ever wrote: the answers are the same, and so is
//! what they leave.

use std::cell::Cell;

use daybook_test_harness::{Engine, Observer, TestDatabase};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};
use sea_orm::{ConnectionTrait as _, DbErr, Statement};
use serde_json::Value;
use tokio::{runtime::Handle, task::block_in_place};
use unit_of_work::{Database, DatabaseOptions, SessionSettings, UnitTerms};

use super::scene::values;

/// The rows of both databases: `k`, `g` and `n`.
const OWN: [&str; 4] = [
    "INSERT INTO account VALUES (1, 'x', 5, 'acme'), (2, 'y', NULL, 'acme'), (3, 'x', -3, 'acme'), (4, NULL, 8, 'acme'), (6, 'z', 1, 'acme')",
    "INSERT INTO line VALUES (1, 'x', 2, 1), (2, 'y', 9, 1), (3, 'z', 4, 3), (5, 'x', NULL, 4)",
    "INSERT INTO free VALUES (1, 'x', 1), (2, 'w', 2), (3, 'y', 3), (7, NULL, 7)",
    "INSERT INTO tree VALUES (1, 'x', 0), (2, 'y', 1), (3, 'z', 2)",
];

/// What only one of them has.
const OTHERS: [&str; 3] = [
    "INSERT INTO account VALUES (101, 'x', 5, 'zeta'), (102, 'w', 50, 'zeta'), (103, 'y', NULL, 'zeta'), (5, 'x', 4, 'zeta')",
    "INSERT INTO line VALUES (101, 'x', 3, 101), (102, 'y', 90, 102), (4, 'x', 6, 5)",
    "INSERT INTO tree VALUES (4, 'x', 3), (5, 'q', 1)",
];

const TABLES: [&str; 4] = [
    "CREATE TABLE account (k INTEGER PRIMARY KEY, g TEXT, n INTEGER, ledger TEXT NOT NULL); CREATE INDEX account_n ON account (ledger, n)",
    "CREATE TABLE line (k INTEGER PRIMARY KEY, g TEXT, n INTEGER, owner INTEGER NOT NULL REFERENCES account (k) ON DELETE CASCADE); CREATE INDEX line_owner ON line (owner)",
    "CREATE TABLE free (k INTEGER PRIMARY KEY, g TEXT, n INTEGER)",
    "CREATE TABLE tree (k INTEGER NOT NULL, g TEXT NOT NULL, n INTEGER, PRIMARY KEY (k, g)) STRICT, WITHOUT ROWID",
];

fn acme() -> SessionSettings {
    SessionSettings::new()
        .rows("account", "ledger = 'acme'")
        .rows(
            "line",
            "EXISTS (SELECT 1 FROM account WHERE account.k = owner)",
        )
        .rows("tree", "k < 4 AND g IN ('x', 'y', 'z')")
}

/// A table, in each way in which it can be named.
fn table() -> impl Strategy<Value = String> {
    select(
        &[
            "account",
            "\"account\"",
            "[account]",
            "`account`",
            "'account'",
            "ACCOUNT",
            "line",
            "\"line\"",
            "LINE",
            "tree",
            "[tree]",
            "free",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = i64> {
    -4_i64..12
}

/// A condition on columns `k`, `g` and `n`, with these selects in it.
fn condition(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        number().prop_map(|n| format!("n > {n}")),
        number().prop_map(|n| format!("k <> {n}")),
        Just("g = 'x'".to_owned()),
        Just("g IS NULL OR n IS NOT NULL".to_owned()),
        inner
            .clone()
            .prop_map(|select| format!("k IN (SELECT k FROM ({select}))")),
        inner
            .clone()
            .prop_map(|select| format!("g NOT IN (SELECT g FROM ({select}) WHERE g IS NOT NULL)")),
        inner.prop_map(|select| format!("n < (SELECT MAX(n) FROM ({select}))")),
        table().prop_map(|table| format!("EXISTS (SELECT 1 FROM {table} AS q WHERE q.k = n)")),
        table().prop_map(|table| format!("k + 1 IN (SELECT k FROM {table})")),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("NOT ({one})")),
            (inner.clone(), inner.clone(), select(&["AND", "OR"][..]))
                .prop_map(|(one, other, and)| format!("({one}) {and} ({other})")),
            inner.prop_map(|one| format!("CASE WHEN {one} THEN n > 0 ELSE g = 'y' END")),
        ]
    })
    .boxed()
}

/// A SELECT of the columns `k`, `g` and `n`. It has no OFFSET: SQLite 3.51.3 counts wrong where a WHERE has EXISTS, with conditions or without.
fn selects() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        table().prop_map(|table| format!("SELECT k, g, n FROM {table}")),
        (table(), number()).prop_map(|(table, n)| format!("SELECT k, g, n FROM {table} WHERE n >= {n}")),
        (table(), number()).prop_map(|(table, k)| format!("SELECT {table}.k, g, {table}.n FROM {table} WHERE k = {k}")),
        table().prop_map(|table| format!("SELECT COUNT(*) AS k, MIN(g) AS g, SUM(n) AS n FROM {table}")),
        table().prop_map(|table| format!("SELECT column1 AS k, column2 AS g, column3 AS n FROM (VALUES ((SELECT COUNT(*) FROM {table}), 'v', 1))")),
    ]
    .boxed();
    leaf.prop_recursive(4, 24, 3, |inner| {
        let join = select(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"][..]);
        prop_oneof![
            (inner.clone(), condition(inner.clone())).prop_map(|(from, condition)| format!("SELECT k, g, n FROM ({from}) WHERE {condition}")),
            (table(), condition(inner.clone())).prop_map(|(from, condition)| format!("SELECT k, g, n FROM {from} WHERE {condition}")),
            (inner.clone(), table(), join.clone()).prop_map(|(from, table, join)| {
                format!("SELECT a.k, b.g, coalesce(a.n, 0) + coalesce(b.n, 0) AS n FROM ({from}) AS a {join} {table} AS b ON a.k = b.k")
            }),
            (table(), inner.clone(), join).prop_map(|(table, from, join)| {
                format!("SELECT a.k, a.g, b.n FROM {table} a {join} ({from}) b ON a.k = b.k AND b.n > 0")
            }),
            (table(), table()).prop_map(|(one, other)| format!("SELECT one.k, one.g, other.n FROM {one} AS one, {other} AS other WHERE one.n < other.n")),
            (table(), table()).prop_map(|(one, other)| format!("SELECT k, one.g, other.n FROM {one} AS one JOIN {other} AS other USING (k)")),
            (inner.clone(), inner.clone(), select(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"][..]))
                .prop_map(|(one, other, with)| format!("SELECT k, g, n FROM ({one}) {with} SELECT k, g, n FROM ({other})")),
            inner.clone().prop_map(|from| format!("SELECT MAX(k) AS k, g, SUM(n) AS n FROM ({from}) GROUP BY g HAVING COUNT(*) > 1")),
            inner.clone().prop_map(|from| format!("SELECT k, g, SUM(n) OVER (PARTITION BY g ORDER BY k) AS n FROM ({from})")),
            (inner.clone(), 1..4).prop_map(|(from, limit)| format!("SELECT k, g, n FROM (SELECT * FROM ({from}) ORDER BY k, g, n LIMIT {limit})")),
            (inner.clone(), table()).prop_map(|(from, table)| format!("WITH c AS ({from}) SELECT k, g, n FROM c UNION ALL SELECT k, g, n FROM {table} WHERE k IN (SELECT k FROM c)")),
            (inner.clone(), table()).prop_map(|(from, table)| {
                format!(
                    "WITH RECURSIVE c (k, g, n) AS (SELECT k, g, n FROM ({from}) UNION SELECT c.k + 1, t.g, t.n FROM c JOIN {table} AS t ON t.k = c.k + 1 WHERE c.k < 9) \
                     SELECT k, g, n FROM c"
                )
            }),
            (inner, table()).prop_map(|(from, table)| format!("SELECT k, g, (SELECT SUM(t.n) FROM {table} AS t WHERE t.g = s.g) AS n FROM ({from}) AS s")),
        ]
    })
    .boxed()
}

/// A statement that changes rows and tells of them. New rows have keys that nobody has. What a subquery sees of the rows that the statement
/// itself is changing, SQLite does not say.
fn writes() -> BoxedStrategy<String> {
    let writable = select(
        &[
            "account",
            "\"account\"",
            "ACCOUNT",
            "line",
            "[line]",
            "'line'",
            "tree",
            "free",
        ][..],
    );
    let condition = || condition(selects());
    let told = "RETURNING k, g, n";
    prop_oneof![
        (writable.clone(), condition()).prop_map(move |(table, condition)| format!("DELETE FROM {table} WHERE {condition} {told}")),
        (writable.clone(), condition(), table()).prop_map(move |(table, condition, of)| {
            format!("UPDATE {table} SET n = (SELECT COUNT(*) FROM {of}) WHERE {condition} {told}, (SELECT COUNT(*) FROM {of})")
        }),
        (writable.clone(), select(&["", "WHERE t.k < 3"][..])).prop_map(|(table, condition)| format!("UPDATE {table} AS t SET n = k {condition} RETURNING k, n")),
        (writable.clone(), selects()).prop_map(move |(table, from)| {
            format!("UPDATE {table} AS t SET n = s.total FROM (SELECT k AS other, MAX(n) AS total FROM ({from}) GROUP BY k) AS s WHERE s.other = t.k RETURNING k, n")
        }),
        (condition(), table()).prop_map(move |(condition, of)| {
            format!("WITH c AS (SELECT k, n FROM {of}) UPDATE account SET g = 'c' WHERE k IN (SELECT k FROM c) AND ({condition}) {told}")
        }),
        selects().prop_map(move |from| format!("INSERT INTO account SELECT k + 1000 + ROW_NUMBER() OVER (ORDER BY k, g, n) * 100, g, n, 'acme' FROM ({from}) WHERE k IS NOT NULL {told}")),
        (selects(), 0..9).prop_map(move |(from, n)| {
            format!(
                "INSERT INTO account SELECT k, g, n, 'acme' FROM (SELECT k, MIN(g) AS g, MAX(n) AS n FROM ({from}) GROUP BY k) WHERE k IN (1, 2, 3, 4, 6) \
                 ON CONFLICT (k) DO UPDATE SET n = (SELECT COUNT(*) FROM free), g = excluded.g WHERE excluded.n > {n} OR excluded.g = 'x' {told}"
            )
        }),
        (selects(), 0..9).prop_map(move |(from, n)| {
            format!("INSERT INTO tree SELECT DISTINCT k, 'x', {n} FROM ({from}) WHERE k IN (1, 2) ON CONFLICT DO UPDATE SET n = excluded.n + 10 {told}")
        }),
    ]
    .boxed()
}

/// One of the two databases.
struct Side {
    _test: TestDatabase,
    database: Database,
    observer: Observer,
    is_whole: bool,
}

impl Side {
    async fn new(is_whole: bool) -> Self {
        let test = TestDatabase::create(Engine::Sqlite).await;
        let observer = test.observer().await;
        for table in TABLES {
            observer.execute(table).await;
        }
        let side = Self {
            database: Database::connect(test.url(), DatabaseOptions::default())
                .await
                .expect("connects"),
            _test: test,
            observer,
            is_whole,
        };
        side.fill().await;
        side
    }

    async fn fill(&self) {
        let mut all = vec![
            "BEGIN; DELETE FROM account; DELETE FROM line; DELETE FROM free; DELETE FROM tree",
        ];
        all.extend(OWN);
        if self.is_whole {
            all.extend(OTHERS);
        }
        all.push("COMMIT");
        self.observer.execute(&all.join("; ")).await;
    }

    fn terms(&self) -> UnitTerms {
        let terms = UnitTerms::named("test");
        if self.is_whole {
            terms.settings(acme())
        } else {
            terms
        }
    }

    /// The rows that a statement answers with, in any order.
    async fn answer(&self, sql: &str, writes: bool) -> Result<Vec<String>, DbErr> {
        let run = async |unit: unit_of_work::UnitOfWork| {
            let statement = Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
            let rows = unit.query_all_raw(statement).await?;
            Ok(rows
                .iter()
                .map(|row| Value::from(values(row)).to_string())
                .collect())
        };
        let answer: Result<Vec<String>, DbErr> = match writes {
            true => self.database.write_with(self.terms(), run).await,
            false => self.database.read_with(self.terms(), run).await,
        };
        answer.map(|mut rows| {
            rows.sort_unstable();
            rows
        })
    }

    /// The rows of a tenant, as they are.
    async fn left(&self, is_own: bool) -> Vec<Option<String>> {
        let is = if is_own { "" } else { "NOT" };
        let row = "coalesce(k, '-') || ' ' || coalesce(g, '-') || ' ' || coalesce(n, '-')";
        self.observer
            .texts(&format!(
                "SELECT 'a ' || {row} FROM account WHERE {is} (ledger = 'acme') \
                 UNION ALL SELECT 'l ' || {row} FROM line WHERE {is} (k < 4 OR k = 5) \
                 UNION ALL SELECT 't ' || {row} FROM tree WHERE {is} (k < 4) \
                 UNION ALL SELECT 'f ' || {row} FROM free WHERE {is} (1) ORDER BY 1"
            ))
            .await
    }
}

fn run(
    cases: u32,
    statements: &BoxedStrategy<String>,
    check: &impl AsyncFn(&str) -> Result<(), TestCaseError>,
) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let here = Handle::current();
    let result = block_in_place(|| {
        TestRunner::new(config).run(statements, |sql| here.block_on(check(&sql)))
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_selects_see_nothing_outside() {
    let (whole, own) = (Side::new(true).await, Side::new(false).await);
    let seen = Cell::new(0);
    run(2_000, &selects(), &async |sql: &str| {
        let (shown, expected) = (whole.answer(sql, false).await, own.answer(sql, false).await);
        let expected = expected.map_err(|error| TestCaseError::fail(format!("{sql}: {error}")))?;
        let shown = shown.map_err(|error| TestCaseError::fail(format!("{sql}: {error}")))?;
        seen.set(seen.get() + usize::from(!expected.is_empty()));
        prop_assert_eq!(shown, expected);
        Ok(())
    });
    // Answers without rows are the same whatever is seen.
    assert!(seen.get() > 1_000, "only {} answers had rows", seen.get());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_writes_touch_nothing_outside() {
    let (whole, own) = (Side::new(true).await, Side::new(false).await);
    let others = whole.left(false).await;
    assert!(!others.is_empty());
    let before = own.left(true).await;
    let changed = Cell::new(0);
    run(600, &writes(), &async |sql: &str| {
        for side in [&whole, &own] {
            side.fill().await;
        }
        let (shown, expected) = (whole.answer(sql, true).await, own.answer(sql, true).await);
        let expected = expected.map_err(|error| TestCaseError::fail(format!("{sql}: {error}")))?;
        let shown = shown.map_err(|error| TestCaseError::fail(format!("{sql}: {error}")))?;
        prop_assert_eq!(shown, expected);
        let left = own.left(true).await;
        changed.set(changed.get() + usize::from(left != before));
        prop_assert_eq!(whole.left(true).await, left);
        prop_assert_eq!(whole.left(false).await, others.clone());
        Ok(())
    });
    assert!(
        changed.get() > 200,
        "only {} statements have changed anything",
        changed.get()
    );
}

/// Several statements of one operation, with one another's writes: what it has written itself, it sees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_sees_its_own_writes() {
    let (whole, own) = (Side::new(true).await, Side::new(false).await);
    run(
        100,
        &vec(writes(), 1..4).prop_map(|all| all.join("\0")).boxed(),
        &async |all: &str| {
            let mut answers = Vec::new();
            for side in [&whole, &own] {
                side.fill().await;
                let answer = side.database.write_with(
                    side.terms(),
                    async |unit: unit_of_work::UnitOfWork| {
                        let mut answers = Vec::new();
                        for sql in all.split('\0').flat_map(|write| {
                            [
                                write,
                                "SELECT k, g, n FROM account ORDER BY k",
                                "SELECT k, g, n FROM line ORDER BY k",
                            ]
                        }) {
                            let rows = unit
                                .query_all_raw(Statement::from_string(
                                    sea_orm::DbBackend::Sqlite,
                                    sql,
                                ))
                                .await?;
                            let mut rows: Vec<_> = rows
                                .iter()
                                .map(|row| Value::from(values(row)).to_string())
                                .collect();
                            rows.sort_unstable();
                            answers.push(rows);
                        }
                        Ok::<_, DbErr>(answers)
                    },
                );
                // Keys of two INSERTs may be the same: then both fail.
                answers.push(answer.await.map_err(|error| error.to_string()));
            }
            prop_assert_eq!(&answers[0], &answers[1]);
            Ok(())
        },
    );
}
