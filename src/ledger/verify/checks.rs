//! The checks, each one statement that is the same on every engine and returns only what differs.
//!
//! Sums leave the database as text: PostgreSQL's are `numeric`, SQLite's are integers.

use super::{CheckedAccount, CheckedLine, Difference, Total};
use crate::ledger::{dialect, outbox::of_every_event};
use daybook_entity::{AccountStatus, Side};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult};
use uuid::Uuid;

/// Every line twice, once for each of its accounts, with what it adds to that side's posted and pending totals.
pub(super) const TOUCHED: &str = "effects AS (
    SELECT entry_line.*,
           CASE WHEN effect IN ('POST', 'CAPTURE') THEN amount ELSE 0 END AS posted,
           CASE effect WHEN 'HOLD' THEN amount WHEN 'POST' THEN 0 ELSE -amount END AS pending
    FROM entry_line
), touched AS (
    SELECT debit_account_id AS account_id, entry_id, line_no, 'DEBIT' AS side, currency, effect,
           posted AS debit, 0 AS credit, pending AS debit_pending, 0 AS credit_pending,
           debit_version AS version, debit_balance AS balance
    FROM effects
    UNION ALL
    SELECT credit_account_id, entry_id, line_no, 'CREDIT', currency, effect, 0, posted, 0, pending, credit_version, credit_balance
    FROM effects
)";

pub(super) async fn counts(db: &impl ConnectionTrait) -> Result<(i64, i64, i64), DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        accounts: i64,
        entries: i64,
        line_count: i64,
    }
    let sql = "SELECT (SELECT COUNT(*) FROM account) AS accounts, (SELECT COUNT(*) FROM entry) AS entries,
        (SELECT COUNT(*) FROM entry_line) AS line_count";
    let rows: Vec<Row> = rows(db, sql, 1).await?;
    Ok(rows
        .first()
        .map_or((0, 0, 0), |row| (row.accounts, row.entries, row.line_count)))
}

/// Totals and versions of accounts against their lines.
pub(super) async fn totals(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
        debits_posted: i64,
        debits_pending: i64,
        credits_posted: i64,
        credits_pending: i64,
        version: i64,
        debits: String,
        credits: String,
        debits_held: String,
        credits_held: String,
        line_count: i64,
    }
    let sql = format!(
        "WITH {TOUCHED}, sums AS (
            SELECT account_id, SUM(debit) AS debits, SUM(credit) AS credits,
                   SUM(debit_pending) AS debits_held, SUM(credit_pending) AS credits_held, COUNT(*) AS line_count
            FROM touched GROUP BY account_id
        )
        SELECT account.id, account.code, debits_posted, debits_pending, credits_posted, credits_pending, version,
               CAST(COALESCE(debits, 0) AS text) AS debits, CAST(COALESCE(credits, 0) AS text) AS credits,
               CAST(COALESCE(debits_held, 0) AS text) AS debits_held, CAST(COALESCE(credits_held, 0) AS text) AS credits_held,
               COALESCE(line_count, 0) AS line_count
        FROM account LEFT JOIN sums ON sums.account_id = account.id
        WHERE debits_posted <> COALESCE(debits, 0) OR credits_posted <> COALESCE(credits, 0)
           OR debits_pending <> COALESCE(debits_held, 0) OR credits_pending <> COALESCE(credits_held, 0) OR version <> COALESCE(line_count, 0)
        ORDER BY account.id"
    );
    let mut differences = Vec::new();
    for row in rows::<Row>(db, &sql, limit).await? {
        let account = CheckedAccount {
            id: row.id,
            code: row.code,
        };
        for (total, recorded, recomputed) in [
            (Total::DebitsPosted, row.debits_posted, sum(&row.debits)?),
            (Total::CreditsPosted, row.credits_posted, sum(&row.credits)?),
            (
                Total::DebitsPending,
                row.debits_pending,
                sum(&row.debits_held)?,
            ),
            (
                Total::CreditsPending,
                row.credits_pending,
                sum(&row.credits_held)?,
            ),
        ] {
            if i128::from(recorded) != recomputed {
                differences.push(Difference::Total {
                    account: account.clone(),
                    total,
                    recorded,
                    recomputed,
                });
            }
        }
        if row.version != row.line_count {
            differences.push(Difference::Version {
                account,
                recorded: row.version,
                recomputed: row.line_count,
            });
        }
    }
    Ok(differences)
}

/// The version and balance after each line against the lines of the account up to it.
pub(super) async fn running_balances(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
        entry_id: Uuid,
        line_no: i32,
        side: Side,
        version: i64,
        balance: i64,
        recomputed_version: i64,
        recomputed_balance: String,
    }
    let sql = format!(
        "WITH {TOUCHED}, running AS (
            SELECT account.id, account.code, entry_id, line_no, side, touched.version, balance,
                   COUNT(*) OVER so_far AS recomputed_version,
                   SUM(CASE normal_side WHEN 'DEBIT' THEN debit - credit ELSE credit - debit END) OVER so_far AS recomputed_balance
            FROM touched JOIN account ON account.id = touched.account_id
            WINDOW so_far AS (
                PARTITION BY account.id ORDER BY touched.version, entry_id, line_no ROWS UNBOUNDED PRECEDING
            )
        )
        SELECT id, code, entry_id, line_no, side, version, balance, recomputed_version,
               CAST(recomputed_balance AS text) AS recomputed_balance
        FROM running
        WHERE version <> recomputed_version OR balance <> recomputed_balance
        ORDER BY id, version, entry_id, line_no"
    );
    rows::<Row>(db, &sql, limit)
        .await?
        .into_iter()
        .map(|row| {
            Ok(Difference::RunningBalance {
                line: CheckedLine {
                    entry_id: row.entry_id,
                    line_no: row.line_no,
                    side: row.side,
                },
                account: CheckedAccount {
                    id: row.id,
                    code: row.code,
                },
                recorded_version: row.version,
                recomputed_version: row.recomputed_version,
                recorded_balance: row.balance,
                recomputed_balance: sum(&row.recomputed_balance)?,
            })
        })
        .collect()
}

/// The currency of each line against those of its accounts.
pub(super) async fn currencies(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        account_id: Uuid,
        entry_id: Uuid,
        line_no: i32,
        side: Side,
        line_currency: String,
        account_currency: Option<String>,
    }
    let sql = format!(
        "WITH {TOUCHED}
        SELECT account_id, entry_id, line_no, side, touched.currency AS line_currency, account.currency AS account_currency
        FROM touched LEFT JOIN account ON account.id = touched.account_id
        WHERE account.id IS NULL OR account.currency <> touched.currency
        ORDER BY entry_id, line_no, side"
    );
    let difference = |row: Row| Difference::Currency {
        line: CheckedLine {
            entry_id: row.entry_id,
            line_no: row.line_no,
            side: row.side,
        },
        account_id: row.account_id,
        line_currency: row.line_currency,
        account_currency: row.account_currency,
    };
    Ok(rows::<Row>(db, &sql, limit)
        .await?
        .into_iter()
        .map(difference)
        .collect())
}

/// Accounts beyond their limits, and closed ones with something on them.
pub(super) async fn limits(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
        status: AccountStatus,
        empty: i32,
        normal_side: Side,
        limit_policy: String,
        min_balance: Option<i64>,
        max_balance: Option<i64>,
        debits_posted: i64,
        debits_pending: i64,
        credits_posted: i64,
        credits_pending: i64,
    }
    // Numeric: what no row should have may not fit 64 bits.
    let sql = "SELECT id, code, status, normal_side, limit_policy, min_balance, max_balance,
               debits_posted, debits_pending, credits_posted, credits_pending,
               CASE WHEN debits_posted = credits_posted AND debits_pending = 0 AND credits_pending = 0 THEN 1 ELSE 0 END AS empty
        FROM account
        WHERE (limit_policy = 'NO_DEBIT_OVERDRAFT' AND debits_posted > credits_posted - debits_pending)
           OR (limit_policy = 'NO_CREDIT_OVERDRAFT' AND credits_posted > debits_posted - credits_pending)
           OR min_balance > CASE normal_side
                  WHEN 'CREDIT' THEN CAST(credits_posted AS numeric) - debits_posted - debits_pending
                  ELSE CAST(debits_posted AS numeric) - credits_posted - credits_pending END
           OR max_balance < CASE normal_side
                  WHEN 'CREDIT' THEN CAST(credits_posted AS numeric) + credits_pending - debits_posted
                  ELSE CAST(debits_posted AS numeric) + debits_pending - credits_posted END
           OR (status = 'CLOSED' AND (debits_posted <> credits_posted OR debits_pending <> 0 OR credits_pending <> 0))
        ORDER BY id";
    let mut differences = Vec::new();
    for row in rows::<Row>(db, sql, limit).await? {
        let account = CheckedAccount {
            id: row.id,
            code: row.code,
        };
        let wide = i128::from;
        // By how much each side would be ahead, were all holds captured that are on it.
        let debits = wide(row.debits_posted) + wide(row.debits_pending) - wide(row.credits_posted);
        let credits =
            wide(row.credits_posted) + wide(row.credits_pending) - wide(row.debits_posted);
        let (raised, lowered) = match row.normal_side {
            Side::Debit => (debits, credits),
            Side::Credit => (credits, debits),
        };
        let by_policy = match row.limit_policy.as_str() {
            "NO_DEBIT_OVERDRAFT" => Some(debits),
            "NO_CREDIT_OVERDRAFT" => Some(credits),
            _ => None,
        };
        let by_min = row.min_balance.map(|min| lowered + wide(min));
        let by_max = row.max_balance.map(|max| raised - wide(max));
        let by = [by_policy, by_min, by_max].into_iter().flatten().max();
        if let Some(by) = by.filter(|by| *by > 0) {
            differences.push(Difference::Overdraft {
                account: account.clone(),
                by,
            });
        }
        if row.status == AccountStatus::Closed && row.empty == 0 {
            differences.push(Difference::ClosedNotEmpty { account });
        }
    }
    Ok(differences)
}

/// A SELECT from a FULL JOIN, which MariaDB does not have.
pub(super) struct FullJoin<'a> {
    pub(super) columns: &'a str,
    pub(super) left: &'a str,
    pub(super) right: &'a str,
    pub(super) on: &'a str,
    /// What follows: other joins.
    pub(super) and: &'a str,
    pub(super) condition: &'a str,
    /// A column of the left side that no row of it lacks.
    pub(super) left_key: &'a str,
}

impl FullJoin<'_> {
    pub(super) fn sql(&self, engine: DbBackend) -> String {
        let Self {
            columns,
            left,
            right,
            on,
            and,
            condition,
            left_key,
        } = self;
        if engine != DbBackend::MySql {
            return format!(
                "SELECT {columns} FROM {left} FULL JOIN {right} ON {on} {and} WHERE {condition}"
            );
        }
        format!(
            "SELECT {columns} FROM {left} LEFT JOIN {right} ON {on} {and} WHERE {condition}
             UNION ALL
             SELECT {columns} FROM {right} LEFT JOIN {left} ON {on} {and} WHERE {left_key} IS NULL AND ({condition})"
        )
    }
}

pub(super) async fn rows<R: FromQueryResult>(
    db: &impl ConnectionTrait,
    sql: &str,
    limit: usize,
) -> Result<Vec<R>, DbErr> {
    let engine = db.get_database_backend();
    let sql = of_every_event(engine, sql);
    let statement = dialect::plain(engine, format!("{sql} LIMIT {limit}"));
    db.query_all_raw(statement)
        .await?
        .iter()
        .map(|row| R::from_query_result(row, ""))
        .collect()
}

pub(super) fn sum(text: &str) -> Result<i128, DbErr> {
    text.parse()
        .map_err(|_| DbErr::Type(format!("`{text}` is not a sum of integers")))
}
