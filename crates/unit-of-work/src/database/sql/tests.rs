use daybook_test_harness::{Engine, TestDatabase};
use proptest::{prelude::*, sample::select};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, raw_sql};

use super::*;

const NOTHING: Effect = Effect::Nothing;
const SESSION: Effect = Effect::ChangesSession;

fn control(keyword: &'static str) -> Effect {
    Effect::ControlsTransaction(keyword)
}

fn check(dialect: Dialect, cases: &[(&str, Effect)]) {
    for (text, expected) in cases {
        assert_eq!(effect(text, dialect), *expected, "{text}");
    }
}

#[test]
fn what_controls_the_transaction_is_seen() {
    let cases = [
        ("COMMIT", control("COMMIT")),
        ("commit;", control("COMMIT")),
        (" \n;; /* x */ -- y\n Commit WORK", control("COMMIT")),
        ("BEGIN", control("BEGIN")),
        ("END", control("END")),
        ("ROLLBACK TO SAVEPOINT a", control("ROLLBACK")),
        ("SAVEPOINT a", control("SAVEPOINT")),
        ("RELEASE a", control("RELEASE")),
        ("INSERT INTO t VALUES (1); COMMIT", control("COMMIT")),
        ("SELECT 1;COMMIT;SELECT 2", control("COMMIT")),
        ("SELECT ';'';' ; COMMIT", control("COMMIT")),
        ("SELECT 'COMMIT; COMMIT'", NOTHING),
        ("SELECT \"a; COMMIT\" FROM t", NOTHING),
        ("SELECT 1 -- ; COMMIT", NOTHING),
        ("SELECT 1 /* ; COMMIT */", NOTHING),
        ("SELECT CASE WHEN a THEN 1 END FROM t; SELECT 2", NOTHING),
        ("\"COMMIT\"", NOTHING),
        ("COMMITTED", NOTHING),
        ("SELECT 1;", NOTHING),
        ("", NOTHING),
        (";", NOTHING),
    ];
    check(Dialect::Postgres, &cases);
    check(Dialect::Sqlite, &cases);
    check(
        Dialect::Postgres,
        &[
            ("START TRANSACTION", control("START")),
            ("ABORT", control("ABORT")),
            ("PREPARE TRANSACTION 'x'", control("PREPARE TRANSACTION")),
            ("COMMIT PREPARED 'x'", control("COMMIT")),
            ("SET TRANSACTION READ WRITE", control("SET TRANSACTION")),
            (
                "SET LOCAL transaction_read_only = off",
                control("SET TRANSACTION"),
            ),
            (
                "set session characteristics as transaction read write",
                control("SET TRANSACTION"),
            ),
            ("SELECT $$ ; COMMIT $$", NOTHING),
            ("SELECT $a$ $$ ; COMMIT $$ $a$; COMMIT", control("COMMIT")),
            ("SELECT E'\\'; COMMIT'", NOTHING),
            ("SELECT '\\'; COMMIT", control("COMMIT")),
            ("DO $$ BEGIN PERFORM 1; END $$", SESSION),
            (
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
                NOTHING,
            ),
            (
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT",
                control("COMMIT"),
            ),
            (
                "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (1); NOTIFY x)",
                NOTHING,
            ),
        ],
    );
    check(
        Dialect::Sqlite,
        &[
            ("SELECT [a; COMMIT] FROM t", NOTHING),
            ("SELECT `a; COMMIT` FROM t", NOTHING),
            ("SELECT '\\'; COMMIT", control("COMMIT")),
            ("SELECT $a(');COMMIT;--')", control("COMMIT")),
            ("SELECT 1; \u{feff}COMMIT", control("COMMIT")),
            ("\u{a0}COMMIT\u{2003}", control("COMMIT")),
            ("SELECT $a(;COMMIT)", NOTHING),
            (
                "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM t; END",
                NOTHING,
            ),
            (
                "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END; COMMIT",
                control("COMMIT"),
            ),
        ],
    );
}

#[test]
fn what_changes_the_session_is_seen() {
    check(
        Dialect::Postgres,
        &[
            ("SET statement_timeout = 0", SESSION),
            ("SET ROLE x", SESSION),
            ("SET SESSION AUTHORIZATION x", SESSION),
            ("SET default_transaction_read_only = off", SESSION),
            ("SET LOCAL statement_timeout = 0", NOTHING),
            ("SET CONSTRAINTS ALL IMMEDIATE", NOTHING),
            ("RESET ALL", SESSION),
            ("DISCARD ALL", SESSION),
            ("LISTEN x", SESSION),
            ("NOTIFY x", NOTHING),
            ("PREPARE x AS SELECT 1", SESSION),
            ("CREATE TEMP TABLE t (a int)", SESSION),
            ("CREATE LOCAL TEMPORARY VIEW t AS SELECT 1", SESSION),
            ("CREATE TABLE pg_temp.t (a int)", SESSION),
            ("SELECT 1 INTO TEMP t", SESSION),
            ("SELECT pg_advisory_lock(1)", SESSION),
            ("select Pg_Try_Advisory_Lock_shared (1)", SESSION),
            (
                "WITH l AS (SELECT \"pg_advisory_lock\"(1)) SELECT 1",
                SESSION,
            ),
            ("SELECT pg_advisory_xact_lock(1)", NOTHING),
            ("SELECT pg_try_advisory_xact_lock(1)", NOTHING),
            ("SELECT set_config('a.b', 'c', false)", SESSION),
            ("SELECT 'pg_advisory_lock(1)'", NOTHING),
            ("UPDATE t SET temp = 1", NOTHING),
        ],
    );
    check(
        Dialect::Sqlite,
        &[
            ("PRAGMA foreign_keys", NOTHING),
            ("PRAGMA foreign_keys = OFF", SESSION),
            ("PRAGMA main.synchronous(OFF)", SESSION),
            ("PRAGMA table_info(t)", NOTHING),
            ("PRAGMA foreign_key_check", NOTHING),
            ("PRAGMA 'query_only' = 0", SESSION),
            ("ATTACH 'x' AS y", SESSION),
            ("DETACH y", SESSION),
            ("CREATE TEMP TABLE t (a)", SESSION),
            ("CREATE TABLE temp.t (a)", SESSION),
            ("SELECT temp FROM t", NOTHING),
        ],
    );
}

/// Pieces that meet in ways that nobody thinks of.
fn text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "SELECT 1",
        "SELECT",
        "END",
        "SAVEPOINT a",
        "1",
        "x",
        ";",
        ";",
        " ; ",
        "'",
        "'",
        "''",
        "\\",
        "\\'",
        "E'",
        "\"",
        "$$",
        "$a$",
        "$",
        "--",
        "\n",
        "\r",
        "/*",
        "*/",
        " ",
        " ",
        "[",
        "]",
        "`",
        "é",
        "(",
        ")",
        "?1",
        ":a",
        "\u{feff}",
        "\u{a0}",
    ]);
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// The short way says nothing that the long one does not.
    #[test]
    fn plain_is_nothing(text in text(), start in select(vec!["", "SELECT ", "insert ", "WITH x AS (SELECT pg_advisory_lock(1)) "])) {
        let text = format!("{start}{text}");
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            if is_plain(&text) {
                prop_assert_eq!(read(&text, dialect), NOTHING);
            }
        }
    }

    /// Whatever stands between the pieces, and wherever a character of several bytes is cut.
    #[test]
    fn no_text_takes_the_reader_down(parts in prop::collection::vec((text(), "\\PC{0,3}|[\\x00-\\x1f\\u{80}-\\u{10ffff}]{0,3}"), 0..6)) {
        let text: String = parts.into_iter().flat_map(|(piece, other)| [piece, other]).collect();
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            read(&text, dialect);
        }
    }

    /// A text that is made of the same over and over takes a time in proportion.
    #[test]
    fn no_long_text_takes_long(piece in text()) {
        let long = piece.repeat(2_000);
        let started = std::time::Instant::now();
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            read(&long, dialect);
        }
        prop_assert!(started.elapsed() < std::time::Duration::from_secs(5), "{piece}");
    }
}

fn samples(count: usize) -> Vec<String> {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::default();
    (0..count)
        .map(|_| text().new_tree(&mut runner).expect("a text").current())
        .collect()
}

/// PostgreSQL itself is asked what ends its transaction, and what does not.
#[tokio::test]
async fn postgres_agrees() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let mut connection = PgConnection::connect(test.url()).await.expect("connects");
    let mut judged = [0, 0];
    for text in samples(6000) {
        let begin = "ROLLBACK; BEGIN; SELECT pg_current_xact_id()::text";
        let begun = raw_sql(begin)
            .fetch_all(&mut connection)
            .await
            .expect("begins");
        let id: String = begun[0].try_get_unchecked(0).expect("an id");
        let sent = raw_sql(AssertSqlSafe(text.clone()))
            .execute(&mut connection)
            .await;
        let same = "SELECT pg_current_xact_id_if_assigned()::text";
        let now = raw_sql(same).fetch_one(&mut connection).await;
        let is_aborted = now.as_ref().is_err_and(|error| {
            error
                .as_database_error()
                .is_some_and(|error| error.code().as_deref() == Some("25P02"))
        });
        let now: Option<String> = now.ok().and_then(|row| row.try_get_unchecked(0).ok());
        let ended = !is_aborted && now.as_ref() != Some(&id);
        let told = effect(&text, Dialect::Postgres);
        if ended {
            assert!(
                matches!(told, Effect::ControlsTransaction(_)),
                "{text:?} was taken for {told:?}"
            );
            judged[0] += 1;
        } else if sent.is_ok() && !text.contains("SAVEPOINT") && !text.contains("BEGIN") {
            assert_eq!(told, NOTHING, "{text:?}");
            judged[1] += 1;
        }
    }
    assert!(judged[0] > 30 && judged[1] > 100, "{judged:?}");
}

/// So is SQLite.
#[tokio::test]
async fn sqlite_agrees() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let mut connection = SqliteConnection::connect(test.url())
        .await
        .expect("connects");
    // Only what is open matters here, not what a power cut leaves.
    let create = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; CREATE TABLE t (a)";
    raw_sql(create)
        .execute(&mut connection)
        .await
        .expect("is made");
    let mut judged = [0, 0];
    for text in samples(6000) {
        // Where one is open this fails, and so it is the same for all.
        let _ = raw_sql("ROLLBACK").execute(&mut connection).await;
        raw_sql("BEGIN; INSERT INTO t VALUES (1)")
            .execute(&mut connection)
            .await
            .expect("begins");
        let sent = raw_sql(AssertSqlSafe(text.clone()))
            .execute(&mut connection)
            .await;
        // Only inside a transaction is there something to end, and in one that goes on the row is there.
        let rows = raw_sql("SELECT count(*) FROM t")
            .fetch_one(&mut connection)
            .await
            .expect("counts");
        let rows: i64 = rows.try_get_unchecked(0).expect("a number");
        let is_open = raw_sql("COMMIT").execute(&mut connection).await.is_ok();
        raw_sql("DELETE FROM t")
            .execute(&mut connection)
            .await
            .expect("is cleared");
        let told = effect(&text, Dialect::Sqlite);
        if !is_open || rows != 1 {
            assert!(
                matches!(told, Effect::ControlsTransaction(_)),
                "{text:?} was taken for {told:?}"
            );
            judged[0] += 1;
        } else if sent.is_ok() && !text.contains("SAVEPOINT") && !text.contains("BEGIN") {
            assert_eq!(told, NOTHING, "{text:?}");
            judged[1] += 1;
        }
    }
    assert!(judged[0] > 100 && judged[1] > 100, "{judged:?}");
}
