//! The one statement that asks for a point in time, for any number of accounts, the same on every engine. MariaDB has functions for
//! what is looked up.

use super::buckets::up_to;
use super::point_in_time::PointInTime;
use crate::ledger::dialect;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

/// Parameters, each with its place in the statement.
#[derive(Default)]
struct Parameters(Vec<Value>);

impl Parameters {
    fn add(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }
}

/// SQL for `column` of the line that made `version` of an account, once for each side on which a line can touch the account.
pub(in crate::ledger) fn of_line(
    from: &str,
    version: &str,
    column: impl Fn(&str) -> String,
) -> [String; 2] {
    ["debit", "credit"].map(|side| {
        let column = column(side);
        format!(
            "(SELECT {column} FROM entry_line JOIN entry ON entry.id = entry_line.entry_id
              WHERE {side}_account_id = {from}.account_id AND {side}_version = {version})"
        )
    })
}

/// SQL for the latest instant that a line of an account up to `version` counts from.
pub(in crate::ledger) fn latest_effective_at(from: &str, version: &str) -> String {
    let [debit, credit] = of_line(from, version, |_| "effective_at".to_owned());
    format!(
        "COALESCE((SELECT late_line.latest_effective_at FROM late_line
            WHERE late_line.account_id = {from}.account_id AND late_line.version = {version}), {debit}, {credit})"
    )
}

/// The statement that `balances_at` sends.
#[must_use]
pub fn statement(db: &impl ConnectionTrait, account_ids: &[Uuid], point: PointInTime) -> Statement {
    let engine = db.get_database_backend();
    let mut parameters = Parameters::default();
    let ids: Vec<String> = account_ids.iter().map(|id| parameters.add(*id)).collect();
    let ids = ids.join(", ");
    let (found, late) = match point {
        PointInTime::Version(version) => {
            let version = parameters.add(version);
            let found = format!(
                "found AS (SELECT id AS account_id, {version} AS version FROM account WHERE id IN ({ids}))"
            );
            (found, None)
        }
        PointInTime::RecordedAt(instant) => {
            let until = parameters.add(instant);
            let [debit, credit] = of_line("search", "search.version + step", |_| {
                "recorded_at".to_owned()
            });
            (
                search(
                    engine,
                    &ids,
                    &format!("COALESCE({debit}, {credit})"),
                    &until,
                ),
                None,
            )
        }
        PointInTime::EffectiveAt(instant) => {
            let until = parameters.add(instant);
            let latest = latest_effective_at("search", "search.version + step");
            let ranges: Vec<String> = up_to(instant)
                .map(|(level, first, last)| {
                    let [first, last] = [first, last].map(|bucket| parameters.add(bucket));
                    format!(
                        "SELECT account_id, lines, posted, debits_pending, credits_pending FROM late_total
                         WHERE account_id IN ({ids}) AND level = {level} AND bucket BETWEEN {first} AND {last}"
                    )
                })
                .collect();
            // One condition for each range. For a join with a list of ranges, PostgreSQL would read all of `late_total`.
            (
                search(engine, &ids, &latest, &until),
                Some(ranges.join(" UNION ALL ")),
            )
        }
    };
    let [debit, credit] = of_line("found", "found.version", |side| format!("{side}_balance"));
    let last_pending = match engine {
        DbBackend::MySql => {
            "account_pending.version = last_pending(found.account_id, found.version)"
        }
        _ => {
            "account_pending.version <= found.version ORDER BY account_pending.version DESC LIMIT 1"
        }
    };
    let pending = |column: &str| {
        format!(
            "COALESCE((SELECT {column} FROM account_pending WHERE account_pending.account_id = found.account_id
                AND {last_pending}), 0) AS {column}"
        )
    };
    let (debits_pending, credits_pending) = (pending("debits_pending"), pending("credits_pending"));
    let sums = ["lines", "posted", "debits_pending", "credits_pending"];
    let (with, columns, joins) = match late {
        None => {
            let columns = sums.map(|sum| {
                format!("CAST(0 AS bigint) AS before_{sum}, CAST(0 AS bigint) AS late_{sum}")
            });
            (String::new(), columns, String::new())
        }
        Some(ranges) => {
            let totals = sums
                .map(|sum| format!("CAST(SUM({sum}) AS bigint) AS {sum}"))
                .join(", ");
            let with = format!(
                ", late AS (SELECT account_id, {totals} FROM ({ranges}) AS stretches GROUP BY account_id)"
            );
            let columns = sums.map(|sum| {
                format!("COALESCE(before.{sum}, 0) AS before_{sum}, COALESCE(late.{sum}, 0) AS late_{sum}")
            });
            let last_late = match engine {
                DbBackend::MySql => "last_late_line(found.account_id, found.version)",
                _ => {
                    "(
                    SELECT MAX(earlier.version) FROM late_line earlier
                    WHERE earlier.account_id = found.account_id AND earlier.version <= found.version
                 )"
                }
            };
            let joins = format!(
                "LEFT JOIN late_line before ON before.account_id = found.account_id AND before.version = {last_late}
                 LEFT JOIN late ON late.account_id = found.account_id"
            );
            (with, columns, joins)
        }
    };
    let columns = columns.join(", ");
    let sql = format!(
        "WITH RECURSIVE {found}{with}
         SELECT found.account_id, found.version, COALESCE({debit}, {credit}, 0) AS posted, {debits_pending}, {credits_pending}, {columns}
         FROM found {joins}"
    );
    dialect::statement(engine, sql, parameters.0)
}

/// For each account, the last version whose `instant` is at most `until`, by binary search: steps are powers of two, from the largest
/// down, and a step is taken where it leads to such a version. `instant` must not decrease from one version to the next.
fn search(engine: DbBackend, ids: &str, instant: &str, until: &str) -> String {
    format!(
        "search(account_id, newest, version, step) AS (
            SELECT id, version, CAST(0 AS bigint), {first} FROM account WHERE id IN ({ids})
            UNION ALL
            SELECT account_id, newest,
                   CASE WHEN search.version + step > newest THEN search.version
                        WHEN {instant} <= {until} THEN search.version + step
                        ELSE search.version END,
                   step >> 1
            FROM search WHERE step > 0
         ), found AS (SELECT account_id, version FROM search WHERE step = 0)",
        first = first_step(engine)
    )
}

/// SQL for the first step of a search for a version of `account`: more than half of its versions. MariaDB carries a search out again for each
/// part of a statement that asks for what it finds, so steps that lead nowhere cost more there.
pub(in crate::ledger) fn first_step(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::MySql => {
            "CASE WHEN account.version < 4096 THEN 2048 WHEN account.version < 16777216 THEN 8388608 ELSE 4611686018427387904 END"
        }
        _ => "CAST(4611686018427387904 AS bigint)",
    }
}
