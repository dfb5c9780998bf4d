//! What could get around a condition, though the statement names its tables as it should.

use super::*;

/// Asserts that each text is refused, or not, by a condition for one table.
fn assert_judged(table: &str, condition: &str, refused: &[&str], sent: &[&str]) {
    let rows = rows(&[(table, condition)]).expect("is a condition");
    for text in refused {
        let narrowed = rows.narrow(text);
        assert!(
            matches!(narrowed, Err(UnitError::RowsRefused { .. })),
            "{condition}: {text}: {narrowed:?}"
        );
    }
    for text in sent {
        let narrowed = rows.narrow(text);
        assert!(narrowed.is_ok(), "{condition}: {text}: {narrowed:?}");
    }
}

#[test]
fn what_a_condition_reads_is_the_table() {
    assert_judged(
        "account",
        "a IN (SELECT b FROM Other)",
        &[
            "WITH other AS (SELECT 1 AS b) SELECT * FROM account",
            "WITH x AS (SELECT 1), [OTHER] (b) AS MATERIALIZED (SELECT 1) DELETE FROM account",
            "SELECT * FROM (WITH 'other' AS (SELECT 1) SELECT * FROM account)",
        ],
        &[
            "WITH a AS (SELECT 1 FROM other) SELECT * FROM a, account",
            "SELECT other.b FROM other AS x JOIN account AS other",
        ],
    );
}

#[test]
fn a_condition_is_for_the_row_that_is_changed() {
    for condition in [
        "account.a = 1",
        "main.account.a = 1",
        "a IN (SELECT account.b)",
        "rowid < 9",
        "[OID] < 9",
    ] {
        assert_judged(
            "account",
            condition,
            &[
                "UPDATE account AS x SET n = 1 FROM account WHERE x.b = account.c",
                "UPDATE account SET n = 1 FROM (SELECT 1 AS rowid)",
            ],
            &[
                "UPDATE account SET n = (SELECT 1 FROM other) RETURNING (SELECT 2 FROM other)",
                "DELETE FROM account",
                "SELECT * FROM other AS account",
            ],
        );
    }
    assert_judged(
        "account",
        "a IN (SELECT other.rowid_of FROM other)",
        &[],
        &["UPDATE account AS x SET n = 1 FROM account WHERE x.b = account.c"],
    );
}

#[test]
fn a_definition_that_replaces_needs_another_order() {
    assert!(replaces(
        "CREATE TABLE a (b UNIQUE ON CONFLICT /* x */ Replace)"
    ));
    assert!(!replaces(
        "CREATE TABLE a (b UNIQUE ON CONFLICT IGNORE, \"conflict\" DEFAULT (replace(1, 2, 3)))"
    ));
    assert_judged(
        "two words",
        "TRUE",
        &[
            "INSERT INTO [two words] VALUES (1)",
            "INSERT INTO [two words] VALUES (1) ON CONFLICT DO UPDATE SET a = 1",
            "UPDATE [two words] SET a = 1",
            "INSERT OR REPLACE INTO [two words] VALUES (1)",
        ],
        &[
            "INSERT OR ABORT INTO [two words] VALUES (1)",
            "UPDATE OR IGNORE [two words] SET a = 1",
            "DELETE FROM [two words]",
            "SELECT * FROM [two words]",
        ],
    );
}

#[test]
fn commands_to_a_virtual_table_are_refused() {
    assert_judged(
        "found",
        "TRUE",
        &[
            "INSERT INTO found (found) VALUES ('delete-all')",
            "INSERT INTO 'found' AS x (found, rowid, title) VALUES ('delete', 1, 'x')",
            "WITH x AS (SELECT 1) INSERT INTO found (\"FOUND\") SELECT 'delete-all' FROM x",
        ],
        &[
            "INSERT INTO found (title) SELECT title FROM found",
            "INSERT INTO found VALUES ((SELECT title FROM found))",
        ],
    );
    let column = "INSERT INTO account (account) VALUES (1)";
    assert_judged("account", "TRUE", &[], &[column]);
}

#[test]
fn names_in_a_condition_are_never_texts() {
    let rows = rows(&[("account", r#""a" = '"b"' AND "c`d""e" = [f] -- "g""#)]);
    let expected = r#"WITH "account" AS NOT MATERIALIZED (SELECT * FROM main."account" WHERE (`a` = '"b"' AND `c``d"e` = [f])) SELECT 1 FROM account"#;
    let narrowed = rows
        .expect("is a condition")
        .narrow("SELECT 1 FROM account");
    assert_eq!(narrowed, Ok(Some(expected.to_owned())));
}
