//! The one statement of sums over accounts, the same on every engine.

use super::{COLUMNS, CodeParts, MOST_ROWS, Periods, SumRequest};
use crate::ledger::PageError;
use crate::ledger::dialect;
use crate::ledger::group::named_tree;
use crate::ledger::group::place::{by_prefix, last_code};
use crate::ledger::page_accounts::select;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, QuerySelect as _, QueryTrait as _, Statement, Value};

/// The statement that `account_sums` sends.
///
/// # Errors
/// When the request breaks a rule or names a group that there is not, or the database fails.
pub async fn statement(
    db: &impl ConnectionTrait,
    request: &SumRequest,
) -> Result<Statement, PageError> {
    let periods = request.periods()?;
    write(db, request, &periods).await
}

pub(super) async fn write(
    db: &impl ConnectionTrait,
    request: &SumRequest,
    periods: &Periods,
) -> Result<Statement, PageError> {
    let engine = db.get_database_backend();
    let tree = match &request.by_group {
        Some(groups) => Some(named_tree(db, "groupTree", &groups.tree).await?),
        None => None,
    };
    // The filter comes first, so that its parameters keep their places.
    let chosen = select(db, &request.filter)
        .await?
        .select_only()
        .columns(COLUMNS)
        .build(engine);
    let mut parameters: Vec<Value> = chosen.values.map(|values| values.0).unwrap_or_default();
    let none = "CAST(NULL AS text)".to_owned();
    let class = if request.by_class {
        "class".to_owned()
    } else {
        none.clone()
    };
    let code = match request.by_code {
        None => none.clone(),
        Some(CodeParts::First(parts)) => first_parts("code", Some(parts), engine),
        Some(CodeParts::All) => "code".to_owned(),
    };
    let chosen = match (tree, &request.by_group) {
        (Some(tree), Some(groups)) => {
            parameters.extend([tree.id.into(), last_code().into()]);
            let (tree, last) = (parameters.len() - 1, parameters.len());
            let (tree, last) = (format!("${tree}"), format!("${last}"));
            // By hand goes before by prefix. Written down once, since the accounts are read several times.
            format!(
                "WITH by_prefix AS ({by_prefix}), chosen AS MATERIALIZED (
                    SELECT account.id, currency, {class} AS class, {group} AS group_path, {code} AS code, debits_posted, credits_posted
                    FROM ({filtered}) AS account
                    LEFT JOIN group_member AS hand ON hand.tree_id = {tree} AND hand.account_id = account.id
                    LEFT JOIN by_prefix ON by_prefix.id = account.id
                    LEFT JOIN account_group AS place ON place.id = COALESCE(hand.group_id, by_prefix.group_id)
                 )",
                by_prefix = by_prefix(engine, &tree, &last),
                group = first_parts("place.path", groups.parts(), engine),
                filtered = chosen.sql,
            )
        }
        _ => format!(
            "WITH chosen AS NOT MATERIALIZED (
                SELECT id, currency, {class} AS class, {none} AS group_path, {code} AS code, debits_posted, credits_posted
                FROM ({filtered}) AS account
             )",
            filtered = chosen.sql,
        ),
    };
    let mut sql = format!(
        "{chosen}
         SELECT currency, class, group_path, code, CAST(-1 AS bigint) AS period, COUNT(*) AS accounts, {debits}, {credits}
         FROM chosen GROUP BY currency, class, group_path, code",
        debits = sum("debits_posted", "debits"),
        credits = sum("credits_posted", "credits"),
    );
    // Without statistics, which a ledger of Daybook does not have on SQLite, SQLite would begin with all lines of the journal. Written as
    // CROSS JOIN, it begins with the entries of the period: 8 instead of 180 ms for two days of a year. A prefix of the code, or metadata, may mean few
    // accounts, and then it begins with them: 28 instead of 370 ms for a year of 80 accounts.
    let join = match engine {
        DbBackend::Sqlite if !request.filter.is_narrow() => "CROSS JOIN",
        _ => "JOIN",
    };
    let mut parameter = |at: DateTime<Utc>| {
        parameters.push(at.into());
        format!("${}", parameters.len())
    };
    if let Some((which, period)) = journal(periods, &mut parameter) {
        let arms = [("debit", "amount", "0"), ("credit", "0", "amount")].map(|(side, debit, credit)| {
            format!(
                "SELECT chosen.currency, class, group_path, code, CAST({debit} AS bigint) AS debit, CAST({credit} AS bigint) AS credit,
                        CAST({period} AS bigint) AS period
                 FROM entry {join} entry_line ON entry_line.entry_id = entry.id
                 {join} chosen ON chosen.id = entry_line.{side}_account_id
                 WHERE effect IN ('POST', 'CAPTURE') AND ({which})"
            )
        });
        sql += &format!(
            " UNION ALL
             SELECT currency, class, group_path, code, period, CAST(0 AS bigint), {debits}, {credits}
             FROM ({arms}) AS moved GROUP BY currency, class, group_path, code, period",
            debits = sum("debit", "debits"),
            credits = sum("credit", "credits"),
            arms = arms.join(" UNION ALL "),
        );
    }
    sql += &format!(" LIMIT {}", MOST_ROWS + 1);
    Ok(dialect::statement(engine, sql, parameters))
}

/// A column of codes or paths, cut to so many of its parts. SQLite cannot split a text: what is read of it is cut afterwards.
fn first_parts(column: &str, parts: Option<u32>, engine: DbBackend) -> String {
    match (parts, engine) {
        (Some(parts), DbBackend::Postgres) => {
            format!("array_to_string((string_to_array({column}, ':'))[1:{parts}], ':')")
        }
        _ => column.to_owned(),
    }
}

/// A sum of 64-bit integers in two parts, of 32 bits each: neither overflows with fewer than 2^31 rows.
fn sum(of: &str, name: &str) -> String {
    format!(
        "CAST(SUM({of} >> 32) AS bigint) AS {name}_high, CAST(SUM({of} & 4294967295) AS bigint) AS {name}_low"
    )
}

/// Which entries are read, and the period of each; the number of periods stands for "in none". `None` where no entry has to be read.
fn journal(
    periods: &Periods,
    parameter: &mut impl FnMut(DateTime<Utc>) -> String,
) -> Option<(String, String)> {
    let mut which = Vec::new();
    which.extend(
        periods
            .from
            .or(periods.until)
            .map(|at| format!("effective_at >= {}", parameter(at))),
    );
    let recorded = periods
        .recorded_until
        .map(|at| format!("recorded_at >= {}", parameter(at)));
    which.extend(recorded.clone());
    if which.is_empty() {
        return None;
    }
    let none = periods.count();
    let mut period = if periods.from.is_some() {
        let ends: Vec<DateTime<Utc>> = periods.cuts.iter().copied().chain(periods.until).collect();
        search(&ends, 0, parameter)
    } else {
        none.to_string()
    };
    if let Some(recorded) = recorded {
        period = format!("CASE WHEN {recorded} THEN {none} ELSE {period} END");
    }
    Some((which.join(" OR "), period))
}

/// How many of `ends`, which are in order, are not after an entry's time, plus `before`: a binary search.
fn search(
    ends: &[DateTime<Utc>],
    before: usize,
    parameter: &mut impl FnMut(DateTime<Utc>) -> String,
) -> String {
    if ends.is_empty() {
        return before.to_string();
    }
    let middle = ends.len() / 2;
    let end = parameter(ends[middle]);
    let lower = search(&ends[..middle], before, parameter);
    let upper = search(&ends[middle + 1..], before + middle + 1, parameter);
    format!("CASE WHEN effective_at < {end} THEN {lower} ELSE {upper} END")
}
