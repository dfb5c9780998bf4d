//! Statements for MariaDB with their parameters in the text.
//!
//! A text of several statements is one round trip, but has no parameters: MariaDB prepares one statement at a time. So the parameters are
//! written as literals. A text is a literal in quotes only if it has nothing that could end such a literal; otherwise its bytes are
//! written as digits. So nothing in a value is ever read as SQL, whatever the session's settings are.

use chrono::{DateTime, Datelike as _, Utc};
use sea_orm::{DbErr, Statement, Value};
use std::fmt::Write as _;

/// The statement's text, with each parameter in the place of its `?`.
///
/// # Errors
/// When there are more or fewer parameters than places, or a parameter of a kind that the ledger does not write.
pub(super) fn inline(statement: &Statement) -> Result<String, DbErr> {
    let parameters = statement.values.as_ref();
    let mut parameters = parameters.map_or(&[][..], |values| &values.0).iter();
    let mut text = String::with_capacity(2 * statement.sql.len());
    // The character that ends the literal or the name that the text is in.
    let mut quote = None;
    for character in statement.sql.chars() {
        match (character, quote) {
            ('?', None) => {
                let parameter = parameters.next();
                let parameter = parameter.ok_or_else(|| refused("fewer parameters than places"))?;
                write_literal(&mut text, parameter)?;
                continue;
            }
            ('\'' | '"' | '`', None) => quote = Some(character),
            (_, Some(end)) if end == character => quote = None,
            _ => {}
        }
        text.push(character);
    }
    match parameters.next() {
        None => Ok(text),
        Some(_) => Err(refused("more parameters than places")),
    }
}

fn refused(problem: &str) -> DbErr {
    DbErr::Custom(format!("a statement with literals has {problem}"))
}

fn write_literal(text: &mut String, value: &Value) -> Result<(), DbErr> {
    match value {
        Value::Bool(Some(value)) => text.push_str(if *value { "TRUE" } else { "FALSE" }),
        Value::Int(Some(value)) => write_number(text, (*value).into()),
        Value::BigInt(Some(value)) => write_number(text, *value),
        Value::String(Some(value)) => write_text(text, value),
        Value::Json(Some(value)) => write_text(text, &value.to_string()),
        Value::Uuid(Some(value)) => write_bytes(text, value.as_bytes()),
        Value::Bytes(Some(value)) => write_bytes(text, value),
        Value::ChronoDateTimeUtc(Some(value)) => return write_instant(text, *value),
        Value::Bool(None)
        | Value::Int(None)
        | Value::BigInt(None)
        | Value::String(None)
        | Value::Json(None)
        | Value::Uuid(None)
        | Value::Bytes(None)
        | Value::ChronoDateTimeUtc(None) => text.push_str("NULL"),
        _ => return Err(refused("a parameter of a kind that has no literal")),
    }
    Ok(())
}

/// Writing to a string cannot fail, so what says so is dropped here and below.
fn write_number(text: &mut String, number: i64) {
    // In parentheses, since `- -1` would begin a comment without its space.
    let _ = match number {
        0.. => write!(text, "{number}"),
        _ => write!(text, "({number})"),
    };
}

fn write_text(text: &mut String, value: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" \":_.,+-/=()[]{}".contains(&byte);
    if value.bytes().all(is_plain) {
        let _ = write!(text, "'{value}'");
    } else {
        text.push_str("_utf8mb4 ");
        write_bytes(text, value.as_bytes());
    }
}

fn write_bytes(text: &mut String, bytes: &[u8]) {
    text.push_str("X'");
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text.push('\'');
}

fn write_instant(text: &mut String, instant: DateTime<Utc>) -> Result<(), DbErr> {
    if !(0..=9999).contains(&instant.year()) {
        return Err(refused("an instant that MariaDB does not have"));
    }
    let _ = write!(text, "'{}'", instant.format("%Y-%m-%d %H:%M:%S%.6f"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;
    use sea_orm::DbBackend;
    use uuid::Uuid;

    fn inlined(sql: &str, values: impl IntoIterator<Item = Value>) -> Option<String> {
        let statement = Statement::from_sql_and_values(DbBackend::MySql, sql, values);
        inline(&statement).ok()
    }

    #[test]
    fn each_parameter_is_in_its_place() {
        let instant = Utc.timestamp_opt(1_500_000_000, 123_456_000).unwrap();
        let json = serde_json::json!({ "a": [1, null] });
        for (value, literal) in [
            (Value::from(7_i32), "7"),
            (i64::MIN.into(), "(-9223372036854775808)"),
            (true.into(), "TRUE"),
            ("assets:cash".into(), "'assets:cash'"),
            ("".into(), "''"),
            (json.into(), "'{\"a\":[1,null]}'"),
            (Uuid::nil().into(), "X'00000000000000000000000000000000'"),
            (instant.into(), "'2017-07-14 02:40:00.123456'"),
            (None::<String>.into(), "NULL"),
            (None::<DateTime<Utc>>.into(), "NULL"),
        ] {
            let found = inlined("UPDATE t SET a = ? WHERE b = '?'", [value]);
            let expected = format!("UPDATE t SET a = {literal} WHERE b = '?'");
            assert_eq!(found, Some(expected));
        }
    }

    /// No text of a caller ends its own literal, and none is read as a comment, a variable or a parameter.
    #[test]
    fn what_could_be_read_as_sql_is_digits() {
        for text in [
            "it's",
            "a\\",
            "`",
            "?",
            "@a",
            "#",
            ";",
            "/*",
            "-- ' OR 1",
            "é",
            "\0",
            "\n",
            "%",
        ] {
            let found = inlined("VALUES (?)", [text.into()]).unwrap();
            let digits = found.strip_prefix("VALUES (_utf8mb4 X'").unwrap();
            let digits = digits.strip_suffix("')").unwrap();
            assert!(digits.bytes().all(|it| it.is_ascii_hexdigit()), "{found}");
            assert_eq!(digits.len(), 2 * text.len());
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(inlined("VALUES (?)", []), None);
        assert_eq!(inlined("VALUES (?)", [1.into(), 2.into()]), None);
        assert_eq!(inlined("VALUES (?)", [1.5.into()]), None);
        assert_eq!(
            inlined("VALUES (?)", [DateTime::<Utc>::MAX_UTC.into()]),
            None
        );
    }
}
