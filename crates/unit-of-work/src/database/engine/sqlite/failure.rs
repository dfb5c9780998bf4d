//! SQLite's errors, by their result codes: <https://www.sqlite.org/rescode.html>. The low byte is the primary code.

use sqlx::{error::DatabaseError as _, sqlite::SqliteError};

use crate::FailureKind;

/// Any SQLITE_IOERR.
const IO_ERROR: u32 = 10;

pub(crate) fn kind(error: &SqliteError) -> FailureKind {
    code(error).map_or(FailureKind::Other, of_code)
}

/// A trigger has raised the error, and chosen its text.
const RAISED: u32 = 1811;

/// The violated constraint. SQLite tells it in the message alone, always in the same form.
pub(crate) fn constraint(error: &SqliteError) -> Option<String> {
    match code(error)? {
        RAISED => None,
        code if of_code(code) == FailureKind::Constraint => named(error.message()),
        _ => None,
    }
}

fn named(message: &str) -> Option<String> {
    let (_, name) = message.split_once(" constraint failed: ")?;
    Some(name.to_owned())
}

/// Whether SQLite failed to write or to sync. The transaction is undone, but it may be complete in the log, and then would take effect
/// after a crash.
pub(crate) fn may_come_back(error: &SqliteError) -> bool {
    code(error).is_some_and(|code| code & 0xff == IO_ERROR)
}

fn code(error: &SqliteError) -> Option<u32> {
    error.code()?.parse().ok()
}

fn of_code(code: u32) -> FailureKind {
    match code & 0xff {
        // 15: two connections opened the log at the same moment.
        5 | 6 | 15 => FailureKind::Conflict,
        7 | 10 | 13 => FailureKind::Full,
        8 => FailureKind::ReadOnly,
        9 => FailureKind::Timeout,
        // 11: a page is wrong; 26: the file has no database header.
        11 | 26 => FailureKind::Damaged,
        // A file could not be opened, usually because the process has no descriptor left.
        14 => FailureKind::Unavailable,
        19 => FailureKind::Constraint,
        _ => FailureKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraint_is_named_in_the_message() {
        for (message, name) in [
            ("UNIQUE constraint failed: person.name", Some("person.name")),
            (
                "UNIQUE constraint failed: person.first, person.last",
                Some("person.first, person.last"),
            ),
            ("CHECK constraint failed: is_positive", Some("is_positive")),
            ("FOREIGN KEY constraint failed", None),
        ] {
            assert_eq!(named(message).as_deref(), name);
        }
    }

    #[test]
    fn codes_of_code_mean_what_its_manual_says() {
        for (kind, codes) in [
            (FailureKind::Conflict, &[5, 517, 261, 6, 15][..]),
            (FailureKind::ReadOnly, &[8, 1032]),
            (FailureKind::Timeout, &[9]),
            (FailureKind::Full, &[13, 10, 778, 1034, 7]),
            (FailureKind::Constraint, &[19, 787, 2067]),
            (FailureKind::Damaged, &[11, 267, 26]),
            (FailureKind::Unavailable, &[14]),
            (FailureKind::Other, &[1, 21]),
        ] {
            for code in codes {
                assert_eq!(of_code(*code), kind, "{code}");
            }
        }
    }
}
