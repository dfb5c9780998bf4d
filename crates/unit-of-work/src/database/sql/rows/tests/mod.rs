mod around;
mod engine;

use proptest::{prelude::*, sample::select};

use super::*;

fn schema() -> Schema {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Schema {
        tables: names(&[
            "account",
            "line",
            "two words",
            "quo\"te",
            "other",
            "view",
            "found",
            "hidden",
        ]),
        indirect: names(&["view", "found", "temporary_view", "dbstat"]),
        replacing: names(&["two words"]),
        temporary: names(&["hidden", "temporary_view"]),
    }
}

fn conditions(conditions: &[(&str, &str)]) -> Vec<(String, String)> {
    let conditions = conditions.iter();
    conditions
        .map(|(table, condition)| ((*table).to_owned(), (*condition).to_owned()))
        .collect()
}

fn rows(asked: &[(&str, &str)]) -> Result<VisibleRows, String> {
    VisibleRows::new(&conditions(asked), &schema()).map_err(|error| match error {
        UnitError::RowsRefused { problem } => problem,
        other => other.to_string(),
    })
}

/// `account` by a condition of its own, and `line` by that of `account`.
fn two() -> VisibleRows {
    rows(&[
        ("line", "owner IN (SELECT id FROM account)"),
        ("account", "a = 1"),
    ])
    .expect("are conditions")
}

const ACCOUNT: &str =
    "\"account\" AS NOT MATERIALIZED (SELECT * FROM main.\"account\" WHERE (a = 1))";
const LINE: &str = "\"line\" AS NOT MATERIALIZED (SELECT * FROM main.\"line\" WHERE (owner IN (SELECT id FROM account)))";

#[test]
fn expressions_stand_in_front_of_what_is_named() {
    let both = format!("{LINE}, {ACCOUNT}");
    for (text, expected) in [
        ("SELECT * FROM other", None),
        ("SELECT * FROM accounts, account_2", None),
        ("SELECT 'about account', 1 -- account", None),
        (
            "SELECT * FROM account",
            Some(format!("WITH {ACCOUNT} SELECT * FROM account")),
        ),
        (
            " /* x */ select * from ACCOUNT;",
            Some(format!(" /* x */ WITH {ACCOUNT} select * from ACCOUNT;")),
        ),
        (
            "SELECT * FROM [account]",
            Some(format!("WITH {ACCOUNT} SELECT * FROM [account]")),
        ),
        (
            "SELECT * FROM `Account`",
            Some(format!("WITH {ACCOUNT} SELECT * FROM `Account`")),
        ),
        (
            "SELECT * FROM 'account'",
            Some(format!("WITH {ACCOUNT} SELECT * FROM 'account'")),
        ),
        (
            "SELECT * FROM \"account\"",
            Some(format!("WITH {ACCOUNT} SELECT * FROM \"account\"")),
        ),
        (
            "\u{2003}SELECT * FROM account\u{a0}",
            Some(format!(
                "\u{2003}WITH {ACCOUNT} SELECT * FROM account\u{a0}"
            )),
        ),
        (
            "SELECT ?1from \u{feff}account",
            Some(format!("WITH {ACCOUNT} SELECT ?1from \u{feff}account")),
        ),
        (
            "SELECT other.account FROM other",
            Some(format!("WITH {ACCOUNT} SELECT other.account FROM other")),
        ),
        (
            "VALUES ((SELECT 1 FROM account))",
            Some(format!("WITH {ACCOUNT} VALUES ((SELECT 1 FROM account))")),
        ),
        (
            "SELECT * FROM line",
            Some(format!("WITH {both} SELECT * FROM line")),
        ),
        (
            "WITH x AS (SELECT 1 FROM account) SELECT * FROM x",
            Some(format!(
                "WITH {ACCOUNT}, x AS (SELECT 1 FROM account) SELECT * FROM x"
            )),
        ),
        (
            "with recursive x(a, b) AS NOT MATERIALIZED (SELECT 1, 2), y AS MATERIALIZED (SELECT (3)) SELECT * FROM x, line",
            Some(format!(
                "with recursive {both}, x(a, b) AS NOT MATERIALIZED (SELECT 1, 2), y AS MATERIALIZED (SELECT (3)) SELECT * FROM x, line"
            )),
        ),
        (
            "INSERT INTO other SELECT * FROM account",
            Some(format!(
                "WITH {ACCOUNT} INSERT INTO other SELECT * FROM account"
            )),
        ),
        (
            "REPLACE INTO other SELECT * FROM account",
            Some(format!(
                "WITH {ACCOUNT} REPLACE INTO other SELECT * FROM account"
            )),
        ),
    ] {
        assert_eq!(two().narrow(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_changes_rows_has_the_condition() {
    for (text, expected) in [
        (
            "UPDATE account SET b = 2",
            "UPDATE account SET b = 2 WHERE (a = 1)",
        ),
        (
            "UPDATE account SET b = 2 -- all\n;",
            "UPDATE account SET b = 2 WHERE (a = 1) -- all\n;",
        ),
        (
            "UPDATE OR IGNORE 'account' SET b = 2",
            "UPDATE OR IGNORE 'account' SET b = 2 WHERE (a = 1)",
        ),
        (
            "UPDATE account AS x SET b = (SELECT c FROM other WHERE d) WHERE e OR f /* g */ RETURNING h",
            "UPDATE account AS x SET b = (SELECT c FROM other WHERE d) WHERE ( e OR f) AND (a = 1) /* g */ RETURNING h",
        ),
        (
            "UPDATE account SET b = c FROM other JOIN (SELECT 1 WHERE 2) ON 3 RETURNING *",
            "UPDATE account SET b = c FROM other JOIN (SELECT 1 WHERE 2) ON 3 WHERE (a = 1) RETURNING *",
        ),
        ("DELETE FROM account", "DELETE FROM account WHERE (a = 1)"),
        (
            "DELETE FROM account WHERE b OR c",
            "DELETE FROM account WHERE ( b OR c) AND (a = 1)",
        ),
        (
            "INSERT INTO account VALUES (1)",
            "INSERT INTO account VALUES (1)",
        ),
        (
            "INSERT OR IGNORE INTO account VALUES (1)",
            "INSERT OR IGNORE INTO account VALUES (1)",
        ),
        (
            "INSERT INTO account SELECT b FROM other WHERE c ON CONFLICT (d) DO NOTHING RETURNING e",
            "INSERT INTO account SELECT b FROM other WHERE c ON CONFLICT (d) DO NOTHING RETURNING e",
        ),
        (
            "INSERT INTO account SELECT b FROM other WHERE c ON CONFLICT (d) WHERE e DO UPDATE SET f = 1 WHERE g OR h \
             ON CONFLICT DO UPDATE SET i = (SELECT j WHERE k) RETURNING l",
            "INSERT INTO account SELECT b FROM other WHERE c ON CONFLICT (d) WHERE e DO UPDATE SET f = 1 WHERE ( g OR h) AND (a = 1) \
             ON CONFLICT DO UPDATE SET i = (SELECT j WHERE k) WHERE (a = 1) RETURNING l",
        ),
        (
            "INSERT INTO account VALUES (?) ON CONFLICT (d) DO UPDATE SET f = ?1on conflict do update set f = ?2where g",
            "INSERT INTO account VALUES (?) ON CONFLICT (d) DO UPDATE SET f = ?1 WHERE (a = 1)on conflict do update set f = ?2where ( g) AND (a = 1)",
        ),
    ] {
        assert_eq!(
            two().narrow(text),
            Ok(Some(format!("WITH {ACCOUNT} {expected}"))),
            "{text}"
        );
    }
    let deleted = two().narrow("WITH x AS (SELECT 1) DELETE FROM line WHERE x");
    let expected = format!(
        "WITH {LINE}, {ACCOUNT}, x AS (SELECT 1) DELETE FROM line WHERE ( x) AND (owner IN (SELECT id FROM account))"
    );
    assert_eq!(deleted, Ok(Some(expected)));
    assert_eq!(two().narrow("UPDATE other SET a = 1"), Ok(None));
}

#[test]
fn each_statement_of_a_text_is_held_to_rows() {
    let text = "; INSERT INTO other VALUES (?); DELETE FROM account;; /* all */ UPDATE account SET b = ? WHERE c; -- ; end";
    let expected = format!(
        "; INSERT INTO other VALUES (?); WITH {ACCOUNT} DELETE FROM account WHERE (a = 1);; /* all */ \
         WITH {ACCOUNT} UPDATE account SET b = ? WHERE ( c) AND (a = 1); -- ; end"
    );
    assert_eq!(two().narrow(text), Ok(Some(expected)));
}

#[test]
fn what_cannot_be_held_to_rows_is_refused() {
    for text in [
        "",
        ";",
        "PRAGMA user_version",
        "EXPLAIN SELECT 1",
        "CREATE TABLE x (a)",
        "DROP TABLE account",
        "ALTER TABLE account RENAME TO x",
        "ATTACH 'x' AS y",
        "ANALYZE",
        "VACUUM",
        "\"SELECT\" 1",
        "(SELECT 1)",
        "SELECT 1; PRAGMA user_version",
        "SELECT 1; SELECT * FROM main.account; SELECT 2",
        "UPDATE account SET a = 1; DELETE FROM account WHERE (b; SELECT 1)",
        "SELECT * FROM main.account",
        "SELECT * FROM \"main\" . \"account\"",
        "SELECT * FROM 'Main'/**/.[Account]",
        "SELECT * FROM temp.account",
        "SELECT main.account.a FROM account",
        "INSERT INTO main.account VALUES (1)",
        "UPDATE main.account SET a = 1",
        "DELETE FROM main.account",
        "SELECT * FROM view",
        "SELECT * FROM 'VIEW'",
        "SELECT * FROM main.view",
        "SELECT * FROM temporary_view",
        "SELECT * FROM found",
        "SELECT * FROM dbstat",
        "SELECT * FROM pragma_table_info('other')",
        "SELECT * FROM \"PRAGMA_foreign_key_check\"",
        "WITH account AS (SELECT 1) SELECT * FROM account",
        "WITH account(a) AS (SELECT 1) SELECT * FROM account",
        "WITH x AS (SELECT 1), \"account\" AS NOT MATERIALIZED (SELECT 1) SELECT * FROM account",
        "SELECT * FROM (WITH account AS MATERIALIZED (SELECT 1) SELECT * FROM account)",
        "WITH x SELECT 1",
        "WITH x AS SELECT 1",
        "WITH x AS (SELECT 1),",
        "WITH",
        "WITH x AS (SELECT 1) PRAGMA user_version",
        "REPLACE INTO account VALUES (1)",
        "INSERT OR REPLACE INTO account VALUES (1)",
        "UPDATE OR REPLACE account SET a = 1",
        "UPDATE account SET a = 1 WHERE b) OR (c",
        "DELETE FROM account WHERE (b",
        "DELETE FROM",
        "UPDATE",
        "INSERT account VALUES (1)",
        "UPDATE account SET a = 1 \0 WHERE b",
        "SELECT $a(') FROM main.account --')",
        "SELECT $1$(') FROM main.account --')",
        "SELECT * FROM \u{feff}main.\u{feff}account",
        "SELECT :a(') FROM main.account --')",
        "SELECT @a::b(') FROM main.account --')",
    ] {
        let narrowed = two().narrow(text);
        assert!(
            matches!(narrowed, Err(UnitError::RowsRefused { .. })),
            "{text}: {narrowed:?}"
        );
    }
    // What looks like it, and is something else.
    for text in [
        "SELECT other.view FROM other",
        "SELECT 'main.account'",
        "SELECT main.other.a FROM main.other",
        "SELECT \"a\u{feff}\", '\u{feff}' FROM other",
        "SELECT * FROM other WHERE a IN ($1, :b, @c, ?2, $d::e(main.account))",
        "SELECT x.dbstat, x.pragma_y, pragma FROM other AS x, json_each('[1]')",
        "SELECT $1, (2)",
    ] {
        assert_eq!(two().narrow(text), Ok(None), "{text}");
    }
}

#[test]
fn conditions_that_would_not_protect_are_refused() {
    for (table, condition) in [
        ("acount", "TRUE"),
        ("hidden", "TRUE"),
        ("temporary_view", "TRUE"),
        ("account", ""),
        ("account", "-- a = 1"),
        ("account", "a = 1) OR (b"),
        ("account", "(a = 1"),
        ("account", "a = 1; DROP TABLE account"),
        ("account", "a = 'b"),
        ("account", "a = \"b"),
        ("account", "a = ?"),
        ("account", "a = $1"),
        ("account", "a = :b"),
        ("account", "a = 1 \0"),
        ("account", "a IN (SELECT b FROM hidden)"),
    ] {
        assert!(rows(&[(table, condition)]).is_err(), "{table}: {condition}");
    }
}

#[test]
fn conditions_of_one_table_hold_together() {
    let rows = rows(&[
        ("account", "a = 1 OR b -- c"),
        ("ACCOUNT", "d /* e */"),
        ("two words", "TRUE"),
        ("quo\"te", "f = 'it''s'"),
        ("view", "g"),
        ("line", "main.account.a = 1"),
    ])
    .expect("are conditions");
    for (text, expected) in [
        (
            "SELECT 1 FROM account",
            "WITH \"account\" AS NOT MATERIALIZED (SELECT * FROM main.\"account\" WHERE ((a = 1 OR b) AND (d))) SELECT 1 FROM account",
        ),
        (
            "SELECT 1 FROM [two words]",
            "WITH \"two words\" AS NOT MATERIALIZED (SELECT * FROM main.\"two words\" WHERE (TRUE)) SELECT 1 FROM [two words]",
        ),
        (
            "SELECT 1 FROM \"quo\"\"te\"",
            "WITH \"quo\"\"te\" AS NOT MATERIALIZED (SELECT * FROM main.\"quo\"\"te\" WHERE (f = 'it''s')) SELECT 1 FROM \"quo\"\"te\"",
        ),
        (
            "SELECT 1 FROM view",
            "WITH \"view\" AS NOT MATERIALIZED (SELECT * FROM main.\"view\" WHERE (g)) SELECT 1 FROM view",
        ),
        (
            "SELECT 1 FROM line",
            "WITH \"line\" AS NOT MATERIALIZED (SELECT * FROM main.\"line\" WHERE (main.account.a = 1)) SELECT 1 FROM line",
        ),
    ] {
        assert_eq!(rows.narrow(text), Ok(Some(expected.to_owned())), "{text}");
    }
}

proptest! {
    /// Whatever is given, it is refused or sent, and nothing panics; and a table that is named is never sent bare.
    #[test]
    fn any_text_is_narrowed_or_refused(
        words in prop::collection::vec(select(&[
            "WITH", "RECURSIVE", "x", "AS", "(", ")", ",", "SELECT", "*", "FROM", "account", "line", "main", ".", "UPDATE", "SET",
            "a", "=", "1", "WHERE", "RETURNING", "ON", "CONFLICT", "DO", "INSERT", "INTO", "VALUES", "DELETE", "'", "\"", "[", "]", "é", ";", "--", "\n", "$", ":",
        ][..]), 0..25)
    ) {
        let text = words.join(" ");
        if let Ok(narrowed) = two().narrow(&text) {
            let names = |name: &str| read(&text).is_ok_and(|tokens| {
                tokens.iter().any(|token| token.name(&text).is_some_and(|word| word.eq_ignore_ascii_case(name)))
            });
            prop_assert_eq!(names("account") || names("line"), narrowed.is_some());
        }
    }
}
