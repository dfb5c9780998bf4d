//! The differences between the engines' SQL, for the crate's own tables.

use sea_orm::{DbBackend, Statement, Value};
use uuid::Uuid;

/// One engine's words.
pub(crate) struct Words {
    /// A text that is compared byte by byte, and can be part of a key.
    pub(crate) text: &'static str,
    /// A text of any length.
    pub(crate) long_text: &'static str,
    /// A whole number of 64 bits.
    pub(crate) bigint: &'static str,
    pub(crate) uuid: &'static str,
    /// The options after the columns of a table.
    pub(crate) table_options: &'static str,
    /// Makes a SELECT skip locked rows. Empty on an engine with one writer.
    pub(crate) skip_locked: &'static str,
    /// Whether a COMMIT is proved by a row.
    pub(crate) has_markers: bool,
    /// OpenTelemetry's `db.system.name`.
    pub(crate) system_name: &'static str,
}

const POSTGRES: Words = Words {
    text: r#"text COLLATE "C""#,
    long_text: "text",
    bigint: "bigint",
    uuid: "uuid",
    table_options: "",
    skip_locked: " FOR UPDATE SKIP LOCKED",
    has_markers: true,
    system_name: "postgresql",
};

const SQLITE: Words = Words {
    text: "TEXT",
    long_text: "text",
    bigint: "INTEGER",
    uuid: "TEXT",
    table_options: " STRICT, WITHOUT ROWID",
    skip_locked: "",
    has_markers: false,
    system_name: "sqlite",
};

const MARIADB: Words = Words {
    // Spaces at the end count. Two of these are as long as a key can be.
    text: "varchar(383) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    long_text: "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    bigint: "bigint",
    // As SeaORM binds one.
    uuid: "binary(16)",
    table_options: " ENGINE = InnoDB",
    skip_locked: " FOR UPDATE SKIP LOCKED",
    has_markers: true,
    system_name: "mariadb",
};

/// The words of an engine. An unsupported engine has those of PostgreSQL, since no database of it can be connected to.
pub(crate) fn words(engine: DbBackend) -> &'static Words {
    match engine {
        DbBackend::Sqlite => &SQLITE,
        DbBackend::MySql => &MARIADB,
        _ => &POSTGRES,
    }
}

/// The literal of an id.
pub(crate) fn uuid_literal(engine: DbBackend, id: Uuid) -> String {
    match engine {
        DbBackend::MySql => format!("X'{}'", id.simple()),
        _ => format!("'{id}'"),
    }
}

/// A statement whose values are named `$1`, `$2` and so on, in any order and any number of times. MariaDB takes them in the order in which
/// they stand in the text. There must be no other `$` in it.
pub(crate) fn numbered<const N: usize>(
    engine: DbBackend,
    sql: &str,
    values: [Value; N],
) -> Statement {
    if engine != DbBackend::MySql {
        return Statement::from_sql_and_values(engine, sql, values);
    }
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    let mut in_order = Vec::new();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let at = number.parse::<usize>().unwrap_or_default().wrapping_sub(1);
        let Some(value) = values.get(at) else {
            unreachable!("the crate's own statement has no value ${number}: {sql}")
        };
        in_order.push(value.clone());
        text.push('?');
        text.push_str(rest);
    }
    Statement::from_sql_and_values(engine, text, in_order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_mariadb_takes_them_from() {
        let sql = "SELECT $2, $1 WHERE a = $2";
        let values = || [Value::from(1), Value::from("b")];
        let statement = numbered(DbBackend::MySql, sql, values());
        assert_eq!(statement.sql, "SELECT ?, ? WHERE a = ?");
        let found = statement.values.map(|values| values.0);
        let [one, two] = values();
        assert_eq!(found, Some(vec![two.clone(), one, two]));
        assert_eq!(numbered(DbBackend::Postgres, sql, values()).sql, sql);
    }
}
