//! At 20,000 accounts, groups are read by index.

use super::{add, create, path};
use crate::ledger::book::Book;
use daybook::ledger::{
    AccountFilter, EntryFilter, EntryOrder, GroupParts, InGroup, SumRequest, account_sums,
    account_sums_statement, count_accounts, count_entries, page_accounts_statement,
    page_entries_statements,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::ConnectionTrait;

/// How many accounts there are.
const ACCOUNTS: i64 = 20_000;

/// Accounts `a:00001`, …, copied from one.
async fn fill(book: &Book) {
    book.account("first").await;
    let (id, code) = match book.engine {
        Engine::MariaDb => ("random_bytes(16)", "'a:' || lpad(n, 5, '0')"),
        Engine::Sqlite => ("randomblob(16)", "printf('a:%05d', n)"),
        Engine::Postgres => ("gen_random_uuid()", "'a:' || lpad(CAST(n AS text), 5, '0')"),
    };
    let number = match book.engine {
        Engine::MariaDb => format!("number(n) AS (SELECT seq FROM seq_1_to_{ACCOUNTS})"),
        Engine::Sqlite | Engine::Postgres => {
            format!(
                "number(n) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM number WHERE n < {ACCOUNTS})"
            )
        }
    };
    let sql = format!(
        "INSERT INTO account (id, code, name, currency, normal_side, limit_policy, status, metadata, created_at)
         WITH RECURSIVE {number}
         SELECT {id}, {code}, name, currency, normal_side, limit_policy, status, metadata, created_at FROM account, number"
    );
    book.db.execute_unprepared(&sql).await.unwrap();
}

on_every_engine! {
    /// Of 100,000 entries, those of a small group are read by its accounts, and those of a large one in the order of the list.
    async fn entries_of_a_group_are_read_by_index(database: TestDatabase) {
        let book = Book::new(database).await;
        for code in ["a", "b", "rare", "other"] {
            book.account(code).await;
        }
        for path in ["t", "t:few", "t:many"] {
            create(&book, path).await.unwrap();
        }
        add(&book, "t:few", &["rare"], &["oth"]).await.unwrap();
        add(&book, "t:many", &["a"], &["b"]).await.unwrap();
        for amount in 1..=10 {
            book.transfer("rare", "other", amount).await.unwrap();
        }
        crate::ledger::volume::fill(&book, "a", "b", 100_000).await;
        if book.engine == Engine::Sqlite {
            // `fill` leaves statistics, and nothing makes them where the server runs.
            book.db.execute_unprepared("DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4;").await.unwrap();
            book.db.execute_unprepared("ANALYZE sqlite_schema;").await.unwrap();
        }
        for (group, count) in [("t:few", 10), ("t:many", 100_000)] {
            let filter = EntryFilter { account_group: Some(path(group)), ..EntryFilter::default() };
            assert_eq!(count_entries(&book.db, &filter).await.unwrap(), count);
            for statement in page_entries_statements(&book.db, &filter, EntryOrder::default()).await.unwrap() {
                let plan = book.plan(statement).await;
                for table in ["entry", "entry_line"] {
                    // PostgreSQL counts the entries of so few accounts by them, or reads the first lines; with so few accounts, it expects a good part of all lines on each.
                    let scan = match book.engine {
                        Engine::Sqlite | Engine::MariaDb => plan.lines().any(|line| line == format!("SCAN {table}")),
                        Engine::Postgres => table == "entry" && plan.contains("Seq Scan on entry "),
                    };
                    assert!(!scan, "{group}\n{plan}");
                }
            }
        }
    }

    async fn groups_are_read_by_index(database: TestDatabase) {
        let book = Book::new(database).await;
        fill(&book).await;
        for path in ["t", "t:all", "t:some", "t:hand"] {
            create(&book, path).await.unwrap();
        }
        add(&book, "t:all", &[], &["a:"]).await.unwrap();
        // Many prefixes, one within another.
        let prefixes: Vec<String> = (0..200).map(|n| format!("a:{n:03}")).collect();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        add(&book, "t:some", &[], &prefixes[..100]).await.unwrap();
        add(&book, "t:all", &[], &prefixes[100..]).await.unwrap();
        add(&book, "t:hand", &["a:00007", "a:19999", "first"], &[]).await.unwrap();
        if book.engine == Engine::Postgres {
            book.db.execute_unprepared("ANALYZE;").await.unwrap();
        }
        let in_group = |group: &str, subgroups| AccountFilter {
            group: Some(InGroup { group: path(group), subgroups }),
            ..AccountFilter::default()
        };
        for (group, count) in [("t:hand", 3), ("t:some", 9_998), ("t:all", 10_000), ("t", 20_001)] {
            let filter = in_group(group, true);
            assert_eq!(count_accounts(&book.db, &filter).await.unwrap(), count, "{group}");
        }
        // A small group reads its own accounts, and not all of them. MariaDB asks each account, in the order of codes, whether it is one of them.
        if book.engine != Engine::MariaDb {
            let statement = page_accounts_statement(&book.db, &in_group("t:hand", true)).await.unwrap();
            let plan = book.plan(statement).await;
            for scan in ["SCAN account\n", "SCAN ruled", "Seq Scan on account ", "Seq Scan on account ruled"] {
                assert!(!format!("{plan}\n").contains(scan), "{plan}");
            }
        }
        // Sums over all accounts read each prefix by the index of codes.
        let request = SumRequest { by_group: Some(GroupParts { tree: "t".to_owned(), depth: None }), ..SumRequest::default() };
        let sums = account_sums(&book.db, &request).await.unwrap();
        let counts: Vec<_> = sums.iter().map(|it| (it.group.as_deref(), it.accounts)).collect();
        assert_eq!(counts, [(Some("t:all"), 10_000), (Some("t:hand"), 3), (Some("t:some"), 9_998)]);
        let plan = book.plan(account_sums_statement(&book.db, &request).await.unwrap()).await;
        match book.engine {
            // The range is another one for each prefix, so it is chosen when the prefix is known.
            Engine::MariaDb => assert!(plan.contains("Range checked for each record"), "{plan}"),
            Engine::Sqlite => assert!(plan.contains("SEARCH ruled USING INDEX sqlite_autoindex_account_2 (code>? AND code<?)"), "{plan}"),
            Engine::Postgres => assert!(plan.contains("account_code_key"), "{plan}"),
        }
    }
}
