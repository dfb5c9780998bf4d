//! MariaDB's errors, by their numbers: <https://mariadb.com/kb/en/mariadb-error-code-reference/>

use sqlx::mysql::MySqlDatabaseError;

use super::servers::is_overtaken;
use crate::FailureKind;

pub(crate) fn kind(error: &MySqlDatabaseError) -> FailureKind {
    if is_overtaken(error) {
        return FailureKind::Conflict;
    }
    of_number(error.number())
}

fn of_number(number: u16) -> FailureKind {
    match number {
        // 1213: a deadlock, or Galera's certification. 1205: a lock was not had in time, or at once (NOWAIT). 1020: another transaction has
        // changed the row since the snapshot.
        1020 | 1205 | 1213 => FailureKind::Conflict,
        // 1290: the server was started with `read_only`.
        1290 | 1792 => FailureKind::ReadOnly,
        // 1317: interrupted by KILL QUERY; 1969: `max_statement_time`.
        1317 | 1969 => FailureKind::Timeout,
        // Too many connections, of the server or of the user.
        1040 | 1203 | 1226 => FailureKind::Unavailable,
        // A file cannot be written, the disk or a table is full, there is no memory.
        1021 | 1026 | 1037 | 1038 | 1041 | 1114 => FailureKind::Full,
        1194 | 1195 | 1712 | 1877 => FailureKind::Damaged,
        // 1047: the node is not in its cluster's primary component; 1053: the server is shutting down; 1180: COMMIT has failed half way;
        // 1152 to 1161: the network; 1927: KILL; 4031: idle for too long.
        1047 | 1053 | 1152 | 1153 | 1155 | 1158..=1161 | 1180 | 1927 | 4031 => {
            FailureKind::ConnectionLost
        }
        // 1644: a trigger's SIGNAL.
        1022 | 1048 | 1062 | 1169 | 1216 | 1217 | 1364 | 1451 | 1452 | 1586 | 1644 | 4025 => {
            FailureKind::Constraint
        }
        _ => FailureKind::Other,
    }
}

/// The name of the violated constraint, which MariaDB tells in the message alone. Sessions have English messages.
///
/// A primary key is named `PRIMARY`, whatever its table, and of NOT NULL the column is known.
pub(crate) fn constraint(error: &MySqlDatabaseError) -> Option<String> {
    named(error.number(), error.message())
}

fn named(number: u16, message: &str) -> Option<String> {
    let name = match number {
        // Duplicate entry 'a' for key 'person_name_key': the value comes first, and may have anything in it.
        1022 | 1062 | 1169 | 1586 => {
            let (_, name) = message.rsplit_once(" for key '")?;
            name.strip_suffix('\'')?
        }
        // CONSTRAINT `age_is_positive` failed for `db`.`person`
        4025 => between(message, "CONSTRAINT `", "` failed for ")?,
        // … a foreign key constraint fails (`db`.`child`, CONSTRAINT `child_has_parent` FOREIGN KEY (`parent_id`) …
        1216 | 1217 | 1451 | 1452 => between(message, "CONSTRAINT `", "` FOREIGN KEY ")?,
        // Column 'name' cannot be null
        1048 => between(message, "Column '", "' cannot be null")?,
        // Field 'name' doesn't have a default value
        1364 => between(message, "Field '", "' doesn't have a default")?,
        _ => return None,
    };
    Some(name.to_owned())
}

fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    let (_, rest) = message.split_once(before)?;
    let (name, _) = rest.split_once(after)?;
    Some(name)
}

/// Whether the server has ended the session with this error, or a COMMIT that failed with it may have happened all the same.
pub(crate) fn ends_session(error: &MySqlDatabaseError) -> bool {
    kind(error) == FailureKind::ConnectionLost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraint_is_named_in_the_message() {
        for (number, message, name) in [
            (
                1062,
                "Duplicate entry 'a' for key 'PRIMARY'",
                Some("PRIMARY"),
            ),
            (
                1062,
                "Duplicate entry 'x' for key 'y'' for key 'person_name_key'",
                Some("person_name_key"),
            ),
            (
                4025,
                "CONSTRAINT `age_is_positive` failed for `t`.`person`",
                Some("age_is_positive"),
            ),
            (
                1452,
                "Cannot add or update a child row: a foreign key constraint fails (`t`.`child`, CONSTRAINT `child_has_parent` \
                 FOREIGN KEY (`parent_id`) REFERENCES `parent` (`id`))",
                Some("child_has_parent"),
            ),
            (1048, "Column 'name' cannot be null", Some("name")),
            (
                1364,
                "Field 'name' doesn't have a default value",
                Some("name"),
            ),
            (1644, "refused for key 'x'", None),
        ] {
            assert_eq!(named(number, message).as_deref(), name, "{message}");
        }
    }

    #[test]
    fn numbers_of_mariadb_mean_what_its_manual_says() {
        for (kind, numbers) in [
            (FailureKind::Conflict, &[1020, 1205, 1213][..]),
            (FailureKind::ReadOnly, &[1290, 1792]),
            (FailureKind::Timeout, &[1317, 1969]),
            (FailureKind::Unavailable, &[1040, 1203, 1226]),
            (FailureKind::Full, &[1021, 1026, 1037, 1038, 1041, 1114]),
            (FailureKind::Damaged, &[1194, 1195, 1712, 1877]),
            (
                FailureKind::ConnectionLost,
                &[1047, 1053, 1158, 1161, 1180, 1927],
            ),
            (
                FailureKind::Constraint,
                &[1048, 1062, 1364, 1451, 1452, 1644, 4025],
            ),
            // A mistake in a statement, a table that does not exist, a wrong password, a database that does not exist.
            (FailureKind::Other, &[1064, 1146, 1045, 1049]),
        ] {
            for number in numbers {
                assert_eq!(of_number(*number), kind, "{number}");
            }
        }
    }
}
