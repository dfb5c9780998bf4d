//! Checks the sums that history keeps against sums over the lines.

use super::checks::{FullJoin, TOUCHED, rows, sum};
use super::{CheckedAccount, Difference};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult};
use uuid::Uuid;

/// The pending totals after each line that changes them.
pub(super) async fn pending(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
        version: i64,
        recorded_debits: Option<i64>,
        recorded_credits: Option<i64>,
        debits: Option<String>,
        credits: Option<String>,
    }
    let join = FullJoin {
        columns: "account.id, account.code, COALESCE(changed.version, kept.version) AS version,
               kept.debits_pending AS recorded_debits, kept.credits_pending AS recorded_credits,
               CAST(changed.debits AS text) AS debits, CAST(changed.credits AS text) AS credits",
        left: "changed",
        right: "account_pending AS kept",
        on: "kept.account_id = changed.account_id AND kept.version = changed.version",
        and: "JOIN account ON account.id = COALESCE(changed.account_id, kept.account_id)",
        condition: "changed.version IS NULL OR kept.version IS NULL
           OR kept.debits_pending <> changed.debits OR kept.credits_pending <> changed.credits",
        left_key: "changed.version",
    };
    let sql = format!(
        "WITH {TOUCHED}, running AS (
            SELECT account_id, version, effect, SUM(debit_pending) OVER so_far AS debits, SUM(credit_pending) OVER so_far AS credits
            FROM touched
            WINDOW so_far AS (PARTITION BY account_id ORDER BY version, entry_id, line_no, side ROWS UNBOUNDED PRECEDING)
        ), changed AS (SELECT * FROM running WHERE effect <> 'POST')
        {} ORDER BY id, version",
        join.sql(db.get_database_backend())
    );
    let difference = |row: Row| {
        let recomputed = match (&row.debits, &row.credits) {
            (Some(debits), Some(credits)) => Some((sum(debits)?, sum(credits)?)),
            _ => None,
        };
        Ok(Difference::Pending {
            account: CheckedAccount {
                id: row.id,
                code: row.code,
            },
            version: row.version,
            recorded: row.recorded_debits.zip(row.recorded_credits),
            recomputed,
        })
    };
    let rows = rows::<Row>(db, &sql, limit).await?;
    rows.into_iter().map(difference).collect()
}

/// The latest instant of each account, its late lines, their places, and their sums by time.
pub(super) async fn late(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
    }
    let engine = db.get_database_backend();
    let microseconds = microseconds(engine);
    let lines = FullJoin {
        columns: "COALESCE(running.account_id, kept.account_id) AS account_id",
        left: "running",
        right: "late_line AS kept",
        on: "kept.account_id = running.account_id AND kept.version = running.version",
        and: "",
        condition: "running.version IS NULL OR kept.version IS NULL OR kept.latest_effective_at <> running.latest
               OR kept.lines <> running.lines OR kept.posted <> running.posted OR kept.held <> running.held
               OR kept.debits_pending <> running.debits_pending OR kept.credits_pending <> running.credits_pending",
        left_key: "running.version",
    };
    let places = FullJoin {
        columns: "COALESCE(placed.account_id, kept.account_id)",
        left: "placed",
        right: "late_place AS kept",
        // The whole primary key, in which the instant comes before the version. A place at another instant is in neither.
        on: "kept.account_id = placed.account_id AND kept.effective_at = placed.effective_at AND kept.version = placed.version",
        condition: "placed.version IS NULL OR kept.version IS NULL OR kept.posted <> placed.posted",
        left_key: "placed.version",
        ..lines
    };
    let buckets = FullJoin {
        columns: "COALESCE(totals.account_id, kept.account_id)",
        left: "totals",
        right: "late_total AS kept",
        on: "kept.account_id = totals.account_id AND kept.level = totals.level AND kept.bucket = totals.bucket",
        condition: "totals.level IS NULL OR kept.level IS NULL OR kept.lines <> totals.lines OR kept.posted <> totals.posted
               OR kept.debits_pending <> totals.debits_pending OR kept.credits_pending <> totals.credits_pending",
        left_key: "totals.level",
        ..lines
    };
    let [lines, places, buckets] = [lines, places, buckets].map(|join| join.sql(engine));
    let dated = dated(engine);
    let sql = format!(
        "WITH {TOUCHED}, moved AS (
            SELECT account_id, touched.version, effective_at, debit_pending, credit_pending,
                   CASE normal_side WHEN 'DEBIT' THEN debit - credit ELSE credit - debit END AS posted
            FROM touched JOIN entry ON entry.id = touched.entry_id JOIN account ON account.id = touched.account_id
        ), {dated}, late AS (
            SELECT * FROM dated WHERE effective_at < latest
        ), running AS (
            SELECT account_id, version, latest, COUNT(*) OVER so_far AS lines, SUM(posted) OVER so_far AS posted,
                   SUM(debit_pending) OVER so_far AS debits_pending, SUM(credit_pending) OVER so_far AS credits_pending,
                   SUM(abs(debit_pending) + abs(credit_pending)) OVER so_far AS held
            FROM late WINDOW so_far AS (PARTITION BY account_id ORDER BY version ROWS UNBOUNDED PRECEDING)
        ), placed AS (
            SELECT account_id, version, effective_at, SUM(posted) OVER so_far AS posted
            FROM late WINDOW so_far AS (PARTITION BY account_id, effective_at ORDER BY version ROWS UNBOUNDED PRECEDING)
        ), sizes(level) AS (
            VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)
        ), totals AS (
            SELECT account_id, level, ({microseconds}) >> (6 * level) AS bucket, COUNT(*) AS lines, SUM(posted) AS posted,
                   SUM(debit_pending) AS debits_pending, SUM(credit_pending) AS credits_pending
            FROM late CROSS JOIN sizes GROUP BY account_id, level, ({microseconds}) >> (6 * level)
        ), wrong AS (
            {lines}
            UNION
            {places}
            UNION
            {buckets}
            UNION
            SELECT account.id FROM account
            LEFT JOIN (SELECT account_id, MAX(effective_at) AS latest FROM dated GROUP BY account_id) AS newest ON newest.account_id = account.id
            WHERE account.latest_effective_at <> newest.latest
               OR (account.latest_effective_at IS NULL) <> (newest.latest IS NULL)
        )
        SELECT account.id, account.code FROM account JOIN wrong ON wrong.account_id = account.id ORDER BY account.id"
    );
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| Difference::History {
        account: CheckedAccount {
            id: row.id,
            code: row.code,
        },
    };
    Ok(rows.into_iter().map(difference).collect())
}

/// `dated`: the lines, with the latest instant of their account until then.
///
/// MariaDB looks through all rows of a window again for the maximum at each of them, so a window has a block of versions there, and no more.
fn dated(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::MySql => {
            "block(account_id, number, latest) AS (
                SELECT account_id, version DIV 256, MAX(MAX(effective_at)) OVER (PARTITION BY account_id ORDER BY version DIV 256 ROWS UNBOUNDED PRECEDING)
                FROM moved GROUP BY account_id, version DIV 256
             ), dated AS (
                SELECT moved.*, GREATEST(COALESCE(earlier.latest, effective_at), MAX(effective_at) OVER (
                    PARTITION BY moved.account_id, version DIV 256 ORDER BY version ROWS UNBOUNDED PRECEDING)) AS latest
                FROM moved LEFT JOIN block AS earlier ON earlier.account_id = moved.account_id AND earlier.number = version DIV 256 - 1
             )"
        }
        _ => {
            "dated AS (
                SELECT moved.*, MAX(effective_at) OVER (PARTITION BY account_id ORDER BY version ROWS UNBOUNDED PRECEDING) AS latest FROM moved
             )"
        }
    }
}

/// `effective_at` as microseconds since the year 1: what the engines spell differently.
fn microseconds(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::Postgres => {
            "(CAST(extract(epoch FROM date_trunc('second', effective_at)) AS bigint) + 62135596800) * 1000000
             + CAST(extract(microseconds FROM effective_at) AS bigint) % 1000000"
        }
        DbBackend::MySql => "timestampdiff(microsecond, '0001-01-01', effective_at)",
        _ => {
            "(CAST(strftime('%s', effective_at) AS INTEGER) + 62135596800) * 1000000
             + CAST(substr(substr(replace(substr(effective_at, 20), '+00:00', ''), 2) || '000000', 1, 6) AS INTEGER)"
        }
    }
}
