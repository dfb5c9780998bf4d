//! What SQLite itself makes of the texts.

use std::cell::{Cell, RefCell};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};
use tokio::runtime::Builder;

use super::{
    super::{Schema, VisibleRows},
    rows,
};

async fn open(tables: &'static str) -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:")
        .await
        .expect("opens");
    connection.execute(tables).await.expect("are made");
    connection
}

/// Indexes are used through the conditions, in every place where a table can stand.
#[tokio::test]
async fn a_look_up_stays_a_look_up() {
    let mut connection = open(
        "CREATE TABLE account (id BLOB PRIMARY KEY, code TEXT UNIQUE, a INTEGER, n INTEGER); CREATE INDEX account_n ON account (n); \
         CREATE TABLE line (id INTEGER PRIMARY KEY, owner BLOB); CREATE INDEX line_owner ON line (owner)",
    )
    .await;
    let rows = rows(&[
        ("account", "+a IN (1, 2)"),
        (
            "line",
            "EXISTS (SELECT 1 FROM account WHERE account.id = owner)",
        ),
    ])
    .expect("are conditions");
    let of_line = "SEARCH main.account USING INDEX sqlite_autoindex_account_1 (id=?)";
    for (text, expected) in [
        (
            "SELECT * FROM account WHERE code = 'x'",
            vec!["SEARCH main.account USING INDEX sqlite_autoindex_account_2 (code=?)"],
        ),
        (
            "SELECT * FROM account ORDER BY code LIMIT 3",
            vec!["SCAN main.account USING INDEX sqlite_autoindex_account_2"],
        ),
        (
            "SELECT max(n) FROM account WHERE n > 5",
            vec!["SEARCH main.account USING INDEX account_n (n>?)"],
        ),
        (
            "UPDATE account SET n = 1 WHERE code = 'x'",
            vec!["SEARCH account USING INDEX sqlite_autoindex_account_2 (code=?)"],
        ),
        (
            "DELETE FROM account WHERE id = 'x'",
            vec!["SEARCH account USING INDEX sqlite_autoindex_account_1 (id=?)"],
        ),
        (
            "SELECT * FROM line WHERE id = 7",
            vec![
                "SEARCH main.line USING INTEGER PRIMARY KEY (rowid=?)",
                "CORRELATED SCALAR SUBQUERY",
                of_line,
            ],
        ),
        (
            "SELECT account.n, line.id FROM account LEFT JOIN line ON line.owner = account.id WHERE account.code = 'x'",
            vec![
                "SEARCH main.account USING INDEX sqlite_autoindex_account_2 (code=?)",
                "SEARCH main.line USING COVERING INDEX line_owner (owner=?) LEFT-JOIN",
                "CORRELATED SCALAR SUBQUERY",
                of_line,
            ],
        ),
    ] {
        let narrowed = rows
            .narrow(text)
            .expect("can be held to rows")
            .expect("names a table");
        let explain = format!("EXPLAIN QUERY PLAN {narrowed}");
        let plan = connection
            .fetch_all(AssertSqlSafe(explain))
            .await
            .expect("is a statement");
        let plan: Vec<String> = plan.iter().map(|step| step.get(3)).collect();
        let is_as_expected = plan.len() == expected.len()
            && plan
                .iter()
                .zip(&expected)
                .all(|(step, expected)| step.starts_with(expected));
        assert!(is_as_expected, "{text}: {plan:#?}");
    }
}

/// A name in each way in which it can be written, or almost.
fn written(name: &'static str) -> impl Strategy<Value = String> {
    select(
        &[
            "%",
            "\"%\"",
            "[%]",
            "`%`",
            "'%'",
            "\u{feff}%",
            "%\u{feff}",
            "\"%",
            "%$",
            "(%)",
            " % ",
        ][..],
    )
    .prop_map(move |form| form.replace('%', name))
}

/// White space, and what looks like it or hides what follows.
fn between() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        12 => Just(" "),
        1 => select(&[
            "\t", "\n", "\r", "\u{b}", "\u{c}", "\u{a0}", "\u{feff}", "\0", "/**/", "/*'*/", "/*/ */", "--'\n", "--\r", "-- */\n", "/*", "*/",
            "'", "\"", "[", "]", "`", "''", "(", ")", ";", ",", ".", "\\", "1", "é", "$a(')", "--')", ":b(/*)", "@c::d(--)", "#e(\")", "$f", "?1", "$1$(')", "x'00'",
        ][..]),
    ]
}

/// A statement about the table `account`, with anything between its words.
fn hostile() -> impl Strategy<Value = String> {
    let table = || written("account");
    let schema = written("main");
    let words = prop_oneof![
        table().prop_map(|table| vec![
            "SELECT".to_owned(),
            "*".to_owned(),
            "FROM".to_owned(),
            table
        ]),
        (schema, table()).prop_map(|(schema, table)| vec![
            "SELECT".to_owned(),
            "*".to_owned(),
            "FROM".to_owned(),
            schema,
            ".".to_owned(),
            table
        ]),
        table().prop_map(|table| ["SELECT", "group_concat", "(", "word", ")", "FROM"]
            .map(str::to_owned)
            .into_iter()
            .chain([table])
            .collect()),
        (table(), table()).prop_map(|(one, other)| {
            let words = ["WITH", "x", "AS", "(", "SELECT", "*", "FROM"]
                .map(str::to_owned)
                .into_iter();
            words
                .chain([
                    one,
                    ")".to_owned(),
                    "SELECT * FROM x UNION ALL SELECT * FROM".to_owned(),
                    other,
                ])
                .collect()
        }),
        (table(), table()).prop_map(|(one, other)| vec![
            "WITH".to_owned(),
            one,
            "AS".to_owned(),
            "(SELECT 1)".to_owned(),
            "SELECT * FROM".to_owned(),
            other
        ]),
        table().prop_map(|table| vec![
            "INSERT".to_owned(),
            "INTO".to_owned(),
            "copy".to_owned(),
            "SELECT * FROM".to_owned(),
            table
        ]),
        table().prop_map(|table| vec![
            "DELETE".to_owned(),
            "FROM".to_owned(),
            table,
            "WHERE".to_owned(),
            "1".to_owned()
        ]),
        table().prop_map(|table| vec![
            "UPDATE".to_owned(),
            table,
            "SET".to_owned(),
            "note = 'changed'".to_owned(),
            "WHERE".to_owned(),
            "1".to_owned(),
            "OR 1".to_owned()
        ]),
        table().prop_map(|table| {
            let words = ["INSERT", "INTO"].map(str::to_owned).into_iter();
            words
                .chain([
                    table,
                    "VALUES ('secret', 'mine')".to_owned(),
                    "ON CONFLICT DO".to_owned(),
                    "UPDATE".to_owned(),
                    "SET".to_owned(),
                    "note = 'changed'".to_owned(),
                ])
                .collect()
        }),
    ];
    (words, vec(between(), 14)).prop_map(|(words, between)| {
        let words: Vec<String> = words;
        let pairs = words.into_iter().zip(between);
        pairs.map(|(word, between)| word + between).collect()
    })
}

/// Whatever stands between the words, what is let through shows nothing that is hidden, and leaves it as it is.
#[test]
fn sqlite_shows_nothing_that_is_hidden() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("starts");
    let rows = VisibleRows::new(
        &[("account".to_owned(), "word = 'open'".to_owned())],
        &Schema {
            tables: vec!["account".to_owned(), "copy".to_owned()],
            ..Schema::default()
        },
    )
    .expect("is a condition");
    let connection = runtime.block_on(open(
        "CREATE TABLE account (word TEXT UNIQUE, note TEXT); INSERT INTO account VALUES ('open', '-'), ('secret', '-'); CREATE TABLE copy (word TEXT, note TEXT)",
    ));
    let connection = RefCell::new(connection);
    let executed = Cell::new(0);
    let config = Config {
        cases: 6_000,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&hostile(), |text| {
        let Ok(narrowed) = rows.narrow(&text) else {
            return Ok(());
        };
        let sent = narrowed.unwrap_or(text);
        let mut connection = connection.borrow_mut();
        runtime.block_on(async {
            connection.execute("SAVEPOINT one").await.expect("begins");
            let shown = connection.fetch_all(AssertSqlSafe(sent.clone())).await;
            let left = "SELECT (SELECT COUNT(*) FROM account WHERE word = 'secret' AND note = '-') || ' ' || (SELECT COUNT(*) FROM copy WHERE word = 'secret')";
            let left: String = connection.fetch_one(left).await.expect("is read").get(0);
            connection.execute("ROLLBACK TO one; RELEASE one").await.expect("ends");
            prop_assert_eq!(left, "1 0", "{}", &sent);
            let Ok(shown) = shown else {
                return Ok(());
            };
            executed.set(executed.get() + 1);
            for row in &shown {
                let values = (0..row.len()).map(|column| row.get_unchecked::<Option<String>, usize>(column));
                let values: Vec<_> = values.flatten().collect();
                prop_assert!(!values.concat().contains("secret"), "{}: {:?}", &sent, values);
            }
            Ok(())
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(
        executed.get() > 500,
        "only {} statements were executed",
        executed.get()
    );
}
