//! What is looked up on MariaDB by functions, which are those of the migration `m20261129_10_create_lookups`: there, a subquery cannot begin in
//! the middle of an index.

use super::sql::Kind;
use daybook_entity::Side;

/// The conditions of the last late line up to a `place`, in the order of posting and of its instant.
pub(super) const LAST: (&str, &str) = (
    "late_line.version = last_late_line(place.account_id, place.in_order)",
    "late_place.version = last_late_place(place.account_id, place.instant, place.version)",
);

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
