//! How this order is read on MariaDB.
//!
//! By two statements: [`edges`], and [`lines`] with what that has found. MariaDB carries out a part of a statement anew wherever the part is named,
//! and keeps a plan for each. All in one, a statement for two slices took 144 MB of an empty database.
//!
//! What is looked up, is by functions, which are those of the migration `m20261129_10_create_lookups`: a subquery cannot begin in the middle of
//! an index.

use super::sql::{Cuts, Kind, SLICE, balance, of_slices};
use super::{EffectiveSlice, Place};
use crate::ledger::dialect;
use daybook_entity::Side;
use sea_orm::{DbBackend, Statement, Value};

/// For each edge of each slice: `slice`, `edge` (0 or 1), `in_order`, the last version in order up to there, and the parts of the balance.
pub(super) fn edges(slices: &[&EffectiveSlice]) -> Statement {
    let mut cuts = Cuts::default();
    for (number, slice) in slices.iter().enumerate() {
        cuts.add_edges(number, 0, slice);
    }
    let (places, parameters) = cuts.places(DbBackend::MySql);
    let balance = balance(DbBackend::MySql);
    let sql = format!("WITH RECURSIVE {places} SELECT slice, edge, in_order, {balance} FROM place");
    dialect::statement(DbBackend::MySql, sql, parameters)
}

/// The lines of slices, of which `in_order` has what [`edges`] has found for both edges.
pub(super) fn lines(slices: &[&EffectiveSlice], in_order: &[[i64; 2]]) -> Statement {
    let (numbers, kinds) = Kind::of_all(slices, DbBackend::MySql);
    let mut parameters: Vec<Value> = Vec::new();
    let mut rows = Vec::new();
    for (number, ((slice, kind), [low, high])) in
        slices.iter().zip(numbers).zip(in_order).enumerate()
    {
        let [from, until] = [slice.between.0, slice.between.1].map(Place::up_to);
        let values: [Value; 8] = [
            slice.account_id.into(),
            (*low).into(),
            from.0.into(),
            from.1.into(),
            (*high).into(),
            until.0.into(),
            until.1.into(),
            slice.wanted().into(),
        ];
        let places = values.map(|value| {
            parameters.push(value);
            format!("${}", parameters.len())
        });
        rows.push(format!("({number}, {kind}, {})", places.join(", ")));
    }
    let sql = format!(
        "WITH RECURSIVE slice({SLICE}) AS (VALUES {}), {}",
        rows.join(", "),
        of_slices(&kinds, "", "")
    );
    dialect::statement(DbBackend::MySql, sql, parameters)
}

/// The conditions of the last late line up to a `place`, in the order of posting and of its instant.
pub(super) const LAST: (&str, &str) = (
    "late_line.version = last_late_line(place.account_id, place.in_order)",
    "late_place.version = last_late_place(place.account_id, place.instant, place.version)",
);

/// What the late lines add that count from before a `place`.
pub(super) const SUM_BEFORE: &str = "sum_of_late_before(place.account_id, place.microseconds)";

/// The last line of the run of late lines that a line is in, in the direction of reading; itself if it is not late.
pub(super) fn beyond(of: &str, newest_first: bool) -> String {
    let end = if newest_first {
        "run_begins"
    } else {
        "run_ends"
    };
    format!("COALESCE({end}({of}.account_id, {of}.version), {of}.version)")
}

/// The version of the next wanted line beyond the version `from`, late or not.
pub(super) fn nearest(kind: &Kind, of: &str, from: &str) -> String {
    let filter = filter(kind);
    if kind.newest_first {
        format!("last_line({of}.account_id, {of}.low, LEAST({from} - 1, {of}.high), {filter})")
    } else {
        format!("first_line({of}.account_id, GREATEST({from}, {of}.low), {of}.high, {filter})")
    }
}

/// The version of the next wanted late line beyond the place `from`.
pub(super) fn nearest_late(
    kind: &Kind,
    of: &str,
    comparison: &str,
    [instant, version]: [&str; 2],
) -> String {
    let filter = filter(kind);
    if kind.newest_first {
        let before = if comparison == "<" { " - 1" } else { "" };
        format!(
            "last_place({of}.account_id, {of}.low_at, {of}.low_version, {instant}, {version}{before}, {filter})"
        )
    } else {
        format!(
            "first_place({of}.account_id, {instant}, {version}, {of}.high_at, {of}.high_version, {filter})"
        )
    }
}

/// The effects and the side that are wanted. These are words of this program, never of a client.
fn filter(kind: &Kind) -> String {
    let effects = kind.effects.as_ref().map_or("NULL".to_owned(), |effects| {
        let words: Vec<_> = effects.iter().map(sea_orm::ActiveEnum::to_value).collect();
        format!("'{}'", words.join(","))
    });
    let side = match kind.side {
        None => "NULL",
        Some(Side::Debit) => "'debit'",
        Some(Side::Credit) => "'credit'",
    };
    format!("{effects}, {side}")
}
