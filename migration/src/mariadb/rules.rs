//! The words of MariaDB's schema: types, triggers and locks.
//!
//! A trigger refuses with error 1644 and the message `NAME: refused`, where NAME is the rule's. It uses no text variables, since these
//! would have the database's default collation, and no `||`, whose meaning depends on the session.

/// A text that is compared byte by byte, also spaces at the end, and that can be a key. Two of them are as long as a key can be.
pub(super) const KEY_TEXT: &str = "varchar(383)";

/// A UUID, as SeaORM binds one. Sorts by its bytes.
pub(super) const UUID: &str = "binary(16)";

/// An instant in UTC.
pub(super) const INSTANT: &str = "datetime(6)";

/// A JSON document. The type `json` is the same, with a rule whose name we could not choose.
pub(super) const JSON: &str = "longtext";

/// What follows the closing parenthesis of a table: texts are compared byte by byte.
pub(super) const TABLE: &str = "ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";

/// The condition that `column` holds a JSON object.
pub(super) fn json_object(column: &str) -> String {
    format!("json_valid({column}) AND json_type({column}) = 'OBJECT'")
}

/// The condition that a `text` is NULL or has 1 to `most` characters.
pub(super) fn length(column: &str, most: u32) -> String {
    format!("char_length({column}) BETWEEN 1 AND {most}")
}

/// Runs `sql`, which ends in a semicolon, for each row at `event` (`AFTER INSERT`).
pub(super) fn trigger(table: &str, name: &str, event: &str, sql: &str) -> String {
    format!("CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW BEGIN {sql} END;\n")
}

/// The statement of a trigger that refuses with the name `rule`.
pub(super) fn signal(rule: &str) -> String {
    format!("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{rule}: refused';")
}

/// Refuses what `event` (`BEFORE INSERT`) does to a row of `table` that fulfils `condition`, with the name `name`.
pub(super) fn refuse(table: &str, name: &str, event: &str, condition: &str) -> String {
    refuse_as(table, name, name, event, condition)
}

/// As [`refuse`], where a rule needs several triggers: `trigger_name` is the name of this one.
pub(super) fn refuse_as(
    table: &str,
    trigger_name: &str,
    rule: &str,
    event: &str,
    condition: &str,
) -> String {
    let sql = format!("IF {condition} THEN {} END IF;", signal(rule));
    trigger(table, trigger_name, event, &sql)
}

/// Makes `table` append-only: UPDATE and DELETE fail with the name `<table>_append_only`. For TRUNCATE, see
/// [`super::m20261129_09_refuse_truncate`].
pub(super) fn append_only(table: &str) -> String {
    append_only_but_for(table, "FALSE")
}

/// As [`append_only`], but for an UPDATE that fulfils `allowed`.
pub(super) fn append_only_but_for(table: &str, allowed: &str) -> String {
    let rule = format!("{table}_append_only");
    let update = refuse_as(
        table,
        &format!("{table}_refuse_UPDATE"),
        &rule,
        "BEFORE UPDATE",
        &format!("NOT ({allowed})"),
    );
    let delete = refuse_as(
        table,
        &format!("{table}_refuse_DELETE"),
        &rule,
        "BEFORE DELETE",
        "TRUE",
    );
    update + &delete
}

/// The condition that none of `columns` is changed by an UPDATE.
pub(super) fn unchanged(columns: &[&str]) -> String {
    let same = columns
        .iter()
        .map(|column| format!("NEW.{column} <=> OLD.{column}"));
    same.collect::<Vec<_>>().join(" AND ")
}

/// The statements at the beginning of a trigger that lock a row of `named_lock` until the end of the transaction, together with others who
/// do so.
pub(super) fn share(lock: &str) -> String {
    format!(
        "DECLARE ignored bigint; SELECT turn INTO ignored FROM named_lock WHERE name = '{lock}' LOCK IN SHARE MODE;"
    )
}

/// The statement that locks a row of `named_lock` until the end of the transaction, alone. A transaction that has waited for it, and has an
/// older snapshot, loses a conflict (error 1020).
pub(super) fn take(lock: &str) -> String {
    format!("UPDATE named_lock SET turn = turn + 1 WHERE name = '{lock}';")
}
