//! MariaDB's schema, which has migrations of its own, is that of PostgreSQL: the same columns, and the same rules under the same names.

use std::collections::{BTreeMap, BTreeSet};

use daybook_test_harness::{Engine, TestDatabase};
use sea_orm::{ConnectionTrait, Statement};

use super::Book;

/// What MariaDB alone needs: rules of its own tables, and rules that are a type elsewhere.
const OWN_RULES: [&str; 6] = [
    "entry_leaves_rest_form",
    "named_lock_stays",
    "not_truncated_empty",
    "outbox_numbered_once",
    "outbox_unnumbered_fixed",
    "outbox_unnumbered_stays",
];

/// Tables that MariaDB alone needs.
const OWN_TABLES: [&str; 4] = [
    "named_lock",
    "not_truncated",
    "outbox_unnumbered",
    "unit_of_work_writer",
];

/// Columns that MariaDB alone needs, for the most part in the place of an index's expression.
const OWN_COLUMNS: [(&str, &str); 5] = [
    ("entry", "ledger_or_none"),
    ("entry", "part_or_one"),
    ("late_line", "run_after"),
    ("outbox", "is_change"),
    ("outbox", "unnumbered_id"),
];

async fn of_both() -> [Book; 2] {
    let postgres = Book::new(TestDatabase::create(Engine::Postgres).await).await;
    let mariadb = Book::new(TestDatabase::create(Engine::MariaDb).await).await;
    [postgres, mariadb]
}

async fn texts(book: &Book, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(book.db.get_database_backend(), sql);
    let rows = book.db.query_all_raw(statement).await.unwrap();
    let texts = rows.iter();
    texts.map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// The names between `before` and `after` in these texts.
fn named(texts: &[String], before: &str, after: &str) -> BTreeSet<String> {
    let found = texts.iter().flat_map(|text| text.split(before).skip(1));
    let names = found.filter_map(|rest| rest.split_once(after));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_have_the_names_that_postgres_has() {
    let [postgres, mariadb] = of_both().await;
    // A primary key has no name of its own on MariaDB, and what a type sees to is `true` on PostgreSQL.
    let sql = "SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u')
                   AND pg_get_constraintdef(oid) !~ '^CHECK \\(\\((true( AND true)*|\\([a-z_]+ IS NULL\\) OR true|true OR \\([a-z_]+ IS NULL\\))\\)\\)$'
                   AND pg_get_constraintdef(oid) <> 'CHECK (true)'
               UNION SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND NOT indisprimary
                   AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)";
    let mut expected: BTreeSet<_> = texts(&postgres, sql).await.into_iter().collect();
    let functions = texts(
        &postgres,
        "SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    .await;
    expected.extend(named(&functions, "CONSTRAINT = '", "'"));

    let sql = "SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()
               UNION SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS
                   WHERE CONSTRAINT_SCHEMA = DATABASE() AND CONSTRAINT_TYPE IN ('UNIQUE', 'FOREIGN KEY')";
    let mut found: BTreeSet<_> = texts(&mariadb, sql).await.into_iter().collect();
    let sql = "SELECT CAST(ACTION_STATEMENT AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";
    found.extend(named(
        &texts(&mariadb, sql).await,
        "MESSAGE_TEXT = '",
        ": refused'",
    ));
    let own = |name: &String| {
        OWN_RULES.contains(&name.as_str())
            || name.ends_with("_not_truncated")
            || name.starts_with("outbox_unnumbered_")
    };
    assert!(expected.len() > 150, "{}", expected.len());
    let missing: Vec<_> = expected.difference(&found).collect();
    let unknown: Vec<_> = found
        .difference(&expected)
        .filter(|name| !own(name))
        .collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing: {missing:#?}\nunknown: {unknown:#?}"
    );
    assert!(OWN_RULES.iter().all(|name| found.contains(*name)));
}

/// `table.column`, with the type and whether it may be NULL, in PostgreSQL's words.
async fn columns(book: &Book, sql: &str) -> BTreeMap<(String, String), String> {
    let statement = Statement::from_string(book.db.get_database_backend(), sql);
    let rows = book.db.query_all_raw(statement).await.unwrap();
    let column = |row: &sea_orm::QueryResult| {
        let text = |at| row.try_get_by_index::<String>(at).unwrap();
        ((text(0), text(1)), format!("{} {}", text(2), text(3)))
    };
    rows.iter().map(column).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_those_of_postgres() {
    let [postgres, mariadb] = of_both().await;
    // The crate unit-of-work tests its own tables.
    let others = "table_name NOT LIKE 'unit_of_work%' AND table_name <> 'seaql_migrations'";
    let sql = format!(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text
         FROM information_schema.columns WHERE table_schema = 'public' AND {others}"
    );
    let expected = columns(&postgres, &sql).await;
    let sql = format!(
        "SELECT CAST(TABLE_NAME AS CHAR), CAST(COLUMN_NAME AS CHAR), CASE CAST(COLUMN_TYPE AS CHAR)
             WHEN 'binary(16)' THEN 'uuid' WHEN 'datetime(6)' THEN 'timestamp with time zone' WHEN 'bigint(20)' THEN 'bigint'
             WHEN 'int(11)' THEN 'integer' WHEN 'tinyint(1)' THEN 'boolean' WHEN 'longtext' THEN 'jsonb'
             ELSE IF(DATA_TYPE IN ('text', 'varchar') AND COLLATION_NAME = 'utf8mb4_nopad_bin', 'text', CAST(COLUMN_TYPE AS CHAR)) END,
             CAST(IS_NULLABLE AS CHAR)
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND {others}"
    );
    let mut found = columns(&mariadb, &sql).await;
    found.retain(|(table, column), _| {
        !OWN_TABLES.contains(&table.as_str())
            && !OWN_COLUMNS.contains(&(table.as_str(), column.as_str()))
    });
    assert!(expected.len() > 150, "{}", expected.len());
    assert_eq!(found, expected);
}

/// Nothing is compared by what the server's default happens to be, and nothing is kept by an engine without transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_have_the_same_engine_and_order() {
    let book = Book::new(TestDatabase::create(Engine::MariaDb).await).await;
    let sql = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                   AND TABLE_NAME <> 'seaql_migrations' AND TABLE_NAME NOT LIKE 'unit_of_work%'
                   AND NOT (ENGINE = 'InnoDB' AND TABLE_COLLATION = 'utf8mb4_nopad_bin')";
    assert_eq!(texts(&book, sql).await, Vec::<String>::new());
    let sql = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                   AND ENGINE <> 'InnoDB'";
    assert_eq!(texts(&book, sql).await, Vec::<String>::new());
}

/// TRUNCATE runs no trigger. Every table whose rows cannot be deleted refuses it by a foreign key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_not_truncated() {
    let book = Book::new(TestDatabase::create(Engine::MariaDb).await).await;
    let sql = "SELECT DISTINCT CAST(EVENT_OBJECT_TABLE AS CHAR) FROM information_schema.TRIGGERS
               WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_MANIPULATION = 'DELETE' AND ACTION_STATEMENT LIKE '%SIGNAL%'";
    let kept = texts(&book, sql).await;
    assert!(kept.len() > 18, "{kept:?}");
    for table in kept {
        let statement = format!("TRUNCATE TABLE {table}");
        let refused = book.db.execute_unprepared(&statement).await;
        let error = refused.expect_err(&table).to_string();
        assert!(
            error.contains("Cannot truncate a table referenced"),
            "{table}: {error}"
        );
    }
}
