//! Many lines, quickly: what posting them one by one would write, written by the database.

use super::book::{Book, noon};
use daybook_test_harness::Engine;
use sea_orm::ConnectionTrait;

/// Posts `count` entries of one line and one unit each from `debit` to `credit`, one a second after noon: as late lines where the
/// accounts have a later one already.
pub(super) async fn fill(book: &Book, debit: &str, credit: &str, count: i64) {
    let (debit, credit) = (book.find(debit).await, book.find(credit).await);
    assert_eq!(debit.normal_side, credit.normal_side);
    let epoch = noon().timestamp();
    let (id, time) = match book.engine {
        Engine::Postgres => (
            "CAST(lpad(to_hex(n), 16, '0') || '7000' || '000000000000' AS uuid)",
            format!("to_timestamp({epoch} + n)"),
        ),
        Engine::MariaDb => (
            "unhex(lpad(hex(n), 16, '0') || '7000' || '000000000000')",
            format!("CAST('1970-01-01' AS datetime(6)) + INTERVAL ({epoch} + n) SECOND"),
        ),
        Engine::Sqlite => (
            "unhex(printf('%016x', n) || '7000' || '000000000000')",
            format!("strftime('%Y-%m-%dT%H:%M:%S+00:00', {epoch} + n, 'unixepoch')"),
        ),
    };
    let hex = |id: uuid::Uuid| match book.engine {
        Engine::Postgres => format!("CAST('{id}' AS uuid)"),
        Engine::Sqlite | Engine::MariaDb => format!("x'{}'", id.simple()),
    };
    let micros = format!("({epoch} + n + 62135596800) * 1000000");
    let numbers = match book.engine {
        Engine::MariaDb => {
            format!("WITH number(n) AS (SELECT CAST(seq AS signed) FROM seq_1_to_{count})")
        }
        Engine::Sqlite | Engine::Postgres => format!(
            "WITH RECURSIVE number(n) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM number WHERE n < {count})"
        ),
    };
    // A keyword of MariaDB.
    let lines = match book.engine {
        Engine::MariaDb => "`lines`",
        Engine::Sqlite | Engine::Postgres => "lines",
    };
    let mut sql = format!(
        "INSERT INTO entry (id, kind, effective_at, recorded_at, metadata)
         {numbers} SELECT {id}, 'POST', {time}, {time}, '{{}}' FROM number;
         INSERT INTO entry_line (entry_id, line_no, debit_account_id, credit_account_id, currency, amount,
                                 debit_version, debit_balance, credit_version, credit_balance, effect)
         {numbers} SELECT {id}, 1, {debit_id}, {credit_id}, 'EUR', 1,
                          {debit_version} + n, {debit_balance} - n, {credit_version} + n, {credit_balance} + n, 'POST'
         FROM number;
         UPDATE account SET debits_posted = debits_posted + {count}, version = version + {count} WHERE id = {debit_id};
         UPDATE account SET credits_posted = credits_posted + {count}, version = version + {count} WHERE id = {credit_id};",
        debit_id = hex(debit.id),
        credit_id = hex(credit.id),
        debit_version = debit.version,
        debit_balance = daybook::ledger::posted_balance(&debit),
        credit_version = credit.version,
        credit_balance = daybook::ledger::posted_balance(&credit),
    );
    for (account, sign) in [(&debit, "-"), (&credit, "")] {
        let id = hex(account.id);
        // None of them changes what is pending: there for the planner, which reads an empty table from end to end.
        sql += &format!(
            "INSERT INTO account_pending {numbers} SELECT {id}, {} + n, 0, 0 FROM number;",
            account.version
        );
        match account.latest_effective_at {
            Some(latest) => {
                assert!(latest.timestamp() > epoch + count);
                let latest = match book.engine {
                    Engine::Postgres => format!("to_timestamp({})", latest.timestamp()),
                    Engine::MariaDb => format!("from_unixtime({})", latest.timestamp()),
                    Engine::Sqlite => format!(
                        "strftime('%Y-%m-%dT%H:%M:%S+00:00', {}, 'unixepoch')",
                        latest.timestamp()
                    ),
                };
                sql += &format!(
                    "INSERT INTO late_line (account_id, version, latest_effective_at, {lines}, posted, debits_pending, credits_pending, held)
                     {numbers} SELECT {id}, {} + n, {latest}, n, {sign}n, 0, 0, 0 FROM number;
                     INSERT INTO late_total {numbers}, sizes(level) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))
                     SELECT {id}, level, ({micros}) >> (6 * level), COUNT(*), {sign}COUNT(*), 0, 0 FROM number CROSS JOIN sizes
                     GROUP BY level, ({micros}) >> (6 * level);",
                    account.version
                );
            }
            None => {
                sql += &format!(
                    "UPDATE account SET latest_effective_at = (SELECT MAX(effective_at) FROM entry) WHERE id = {id};"
                );
            }
        }
    }
    book.db.execute_unprepared(&sql).await.unwrap();
    book.analyze().await;
}
