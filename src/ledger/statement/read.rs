//! Reads the lines of statements: one statement for all that have no filter, one for all that have.

use super::{Search, StatementFilter, StatementLine, StatementSlice};
use crate::ledger::dialect;
use daybook_entity::{Side, entry_line};
use sea_orm::{ActiveEnum, ConnectionTrait, DbErr, FromQueryResult, QueryResult, Statement, Value};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The lines of each slice, by version (with a filter from the end that they are searched from), however many slices: at most two
/// statements.
///
/// # Errors
/// When the database fails.
pub async fn statement_lines(
    db: &impl ConnectionTrait,
    slices: &[StatementSlice],
) -> Result<HashMap<StatementSlice, Vec<StatementLine>>, DbErr> {
    let slices = slices
        .iter()
        .filter(|slice| slice.versions.0 <= slice.versions.1);
    let (searched, whole): (Vec<_>, Vec<_>) = slices.partition(|slice| slice.search.is_some());
    let mut lines = whole_slices(db, &whole).await?;
    lines.extend(searched_slices(db, &searched).await?);
    Ok(lines)
}

async fn whole_slices(
    db: &impl ConnectionTrait,
    slices: &[&StatementSlice],
) -> Result<HashMap<StatementSlice, Vec<StatementLine>>, DbErr> {
    if slices.is_empty() {
        return Ok(HashMap::new());
    }
    let statement = whole_statement(db, slices);
    // Slices of one account may overlap, and a line is then read more than once.
    let mut accounts: HashMap<Uuid, BTreeMap<i64, StatementLine>> = HashMap::new();
    for row in db.query_all_raw(statement).await? {
        let line = line(&row)?;
        let account_id = match line.side {
            Side::Debit => line.line.debit_account_id,
            Side::Credit => line.line.credit_account_id,
        };
        accounts
            .entry(account_id)
            .or_default()
            .insert(line.version(), line);
    }
    let of_slice = |slice: &StatementSlice| {
        let lines = accounts.get(&slice.account_id)?;
        let lines = lines.range(slice.versions.0..=slice.versions.1);
        Some(lines.map(|(_, line)| line.clone()).collect())
    };
    Ok(slices
        .iter()
        .map(|slice| ((*slice).clone(), of_slice(slice).unwrap_or_default()))
        .collect())
}

/// The statement that reads slices without a filter.
pub fn whole_statement<S: std::borrow::Borrow<StatementSlice>>(
    db: &impl ConnectionTrait,
    slices: &[S],
) -> Statement {
    let mut parameters: Vec<Value> = Vec::new();
    let mut ranges = Vec::new();
    for slice in slices {
        let slice = slice.borrow();
        parameters.extend([
            slice.account_id.into(),
            slice.versions.0.into(),
            slice.versions.1.into(),
        ]);
        let last = parameters.len();
        ranges.push(format!("(${}, ${}, ${last})", last - 2, last - 1));
    }
    // CROSS makes SQLite keep this order of the join. Otherwise it reads all lines, and looks each up in the list of slices.
    let side = |side: &str| {
        format!(
            "SELECT '{side}' AS side, entry_line.* FROM slice CROSS JOIN entry_line
             WHERE {side}_account_id = slice.account_id AND {side}_version BETWEEN slice.first AND slice.last"
        )
    };
    let sql = format!(
        "WITH slice(account_id, first, last) AS (VALUES {}) {} UNION ALL {}",
        ranges.join(", "),
        side("debit"),
        side("credit")
    );
    dialect::statement(db.get_database_backend(), sql, parameters)
}

async fn searched_slices(
    db: &impl ConnectionTrait,
    slices: &[&StatementSlice],
) -> Result<HashMap<StatementSlice, Vec<StatementLine>>, DbErr> {
    let mut parameters: Vec<Value> = Vec::new();
    let mut searches = Vec::new();
    for (number, slice) in slices.iter().enumerate() {
        if let Some(search) = &slice.search {
            searches.push(searched(number, slice, search, &mut parameters));
        }
    }
    let mut lines: HashMap<StatementSlice, Vec<StatementLine>> = HashMap::new();
    if searches.is_empty() {
        return Ok(lines);
    }
    let sql = searches.join(" UNION ALL ");
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    for row in db.query_all_raw(statement).await? {
        let number: i32 = row.try_get("", "slice")?;
        if let Some(slice) = usize::try_from(number)
            .ok()
            .and_then(|number| slices.get(number))
        {
            lines.entry((*slice).clone()).or_default().push(line(&row)?);
        }
    }
    for (slice, lines) in &mut lines {
        let newest_first = slice
            .search
            .as_ref()
            .is_some_and(|search| search.newest_first);
        lines.sort_by_key(|line| {
            if newest_first {
                -line.version()
            } else {
                line.version()
            }
        });
    }
    Ok(lines)
}

/// The first lines that fulfil the filter, from one end on: each side by its own index, then the first of both.
fn searched(
    number: usize,
    slice: &StatementSlice,
    search: &Search,
    parameters: &mut Vec<Value>,
) -> String {
    let account_id = add(parameters, slice.account_id);
    let (first, last) = (
        add(parameters, slice.versions.0),
        add(parameters, slice.versions.1),
    );
    let filter = &search.filter;
    let (join, conditions) = conditions(filter, parameters);
    let (order, limit) = (
        if search.newest_first { "DESC" } else { "ASC" },
        search.limit,
    );
    let sides: Vec<String> = sides(filter)
        .map(|side| {
            format!(
                "SELECT * FROM (
                    SELECT '{side}' AS side, {side}_version AS place, entry_line.* FROM entry_line {join}
                    WHERE {side}_account_id = {account_id} AND {side}_version BETWEEN {first} AND {last}{conditions}
                    ORDER BY {side}_version {order} LIMIT {limit}
                 ) AS {side}_lines"
            )
        })
        .collect();
    format!(
        "SELECT * FROM (
            SELECT {number} AS slice, both_sides.* FROM ({}) AS both_sides ORDER BY place {order} LIMIT {limit}
         ) AS slice_{number}",
        sides.join(" UNION ALL ")
    )
}

/// A parameter of a statement, by its place.
pub(super) fn add(parameters: &mut Vec<Value>, value: impl Into<Value>) -> String {
    parameters.push(value.into());
    format!("${}", parameters.len())
}

/// The sides of lines that the filter lets through, as the columns of `entry_line` call them.
pub(super) fn sides(filter: &StatementFilter) -> impl Iterator<Item = &'static str> {
    let wanted = filter.side;
    [(Side::Debit, "debit"), (Side::Credit, "credit")]
        .into_iter()
        .filter(move |(side, _)| wanted.is_none_or(|wanted| wanted == *side))
        .map(|(_, side)| side)
}

/// What a filter asks of a line besides its side: a join, if it needs one, and conditions that follow others.
pub(super) fn conditions(
    filter: &StatementFilter,
    parameters: &mut Vec<Value>,
) -> (&'static str, String) {
    let mut join = "";
    let mut conditions = Vec::new();
    if let Some(effects) = &filter.effects {
        // These are words of this program, never of a client. An empty list lets no line through.
        let effects: Vec<String> = effects
            .iter()
            .map(|effect| format!("'{}'", effect.to_value()))
            .collect();
        conditions.push(if effects.is_empty() {
            "1 = 0".to_owned()
        } else {
            format!("effect IN ({})", effects.join(", "))
        });
    }
    for (instant, comparison) in [(filter.effective_from, ">="), (filter.effective_until, "<")] {
        if let Some(instant) = instant {
            join = "JOIN entry ON entry.id = entry_line.entry_id";
            let instant = add(parameters, instant);
            conditions.push(format!("entry.effective_at {comparison} {instant}"));
        }
    }
    let conditions = conditions
        .iter()
        .map(|condition| format!(" AND {condition}"))
        .collect();
    (join, conditions)
}

pub(super) fn line(row: &QueryResult) -> Result<StatementLine, DbErr> {
    let side: String = row.try_get("", "side")?;
    Ok(StatementLine {
        line: entry_line::Model::from_query_result(row, "")?,
        side: if side == "debit" {
            Side::Debit
        } else {
            Side::Credit
        },
    })
}
