//! Statements that are written by hand, in the words of each engine.
//!
//! They are written in what PostgreSQL and SQLite have in common, with `$1`, `$2`, … for their parameters. Where MariaDB only says the same
//! in other words, it is translated here. Where it thinks differently, the statement has an arm of its own.
//!
//! | here | MariaDB |
//! |---|---|
//! | `$2`, `$1`, `$2` | `?`, `?`, `?`, and a parameter for each |
//! | `CAST(… AS bigint)` | `(… DIV 1)`, for its CAST takes the nearest number where one is too large. Of a literal, a sum that is a `BIGINT` |
//! | `CAST(… AS text)` | `CAST(… AS CHAR)` |
//! | `(VALUES (…), (…))` | `(SELECT … UNION ALL SELECT …)`, for in a table of values it takes a parameter for a text of no characters |
//! | `a IS DISTINCT FROM b`, `b` a column | `a <=> b = 0` |
//! | `length(text)` | `char_length(text)`, for its `length` counts bytes |
//! | `"name"` | `` `name` `` |

use sea_orm::{DbBackend, Statement, Value};

/// A statement with parameters.
pub(super) fn statement(
    engine: DbBackend,
    text: impl Into<String>,
    parameters: impl IntoIterator<Item = Value>,
) -> Statement {
    let text = text.into();
    if engine != DbBackend::MySql {
        return Statement::from_sql_and_values(engine, text, parameters);
    }
    let (text, places) = in_mariadbs_words(&text);
    let parameters: Vec<Value> = parameters.into_iter().collect();
    let parameters = places.iter().filter_map(|place| parameters.get(*place));
    Statement::from_sql_and_values(engine, text, parameters.cloned())
}

/// A statement without parameters.
pub(super) fn plain(engine: DbBackend, text: impl Into<String>) -> Statement {
    let text = text.into();
    if engine != DbBackend::MySql {
        return Statement::from_string(engine, text);
    }
    let (text, _) = in_mariadbs_words(&text);
    Statement::from_string(engine, text)
}

/// The text for MariaDB, and which parameter each of its `?` is, from 0.
pub(super) fn in_mariadbs_words(text: &str) -> (String, Vec<usize>) {
    let text = casts(text);
    let text = values(&text);
    let mut written = String::with_capacity(text.len());
    let mut places = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' => {
                let end = literal(rest);
                written.push_str(&rest[..end]);
                end
            }
            '"' => {
                written.push('`');
                1
            }
            '$' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                match rest[1..=digits].parse::<usize>() {
                    Ok(number) if number > 0 => {
                        written.push('?');
                        places.push(number - 1);
                    }
                    _ => written.push_str(&rest[..=digits]),
                }
                digits + 1
            }
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let word = &rest[..end];
                const DISTINCT: &str = "IS DISTINCT FROM ";
                if word.eq_ignore_ascii_case("length") && rest[end..].starts_with('(') {
                    written.push_str("char_length");
                    end
                } else if let Some(other) = rest.strip_prefix(DISTINCT) {
                    let column = other
                        .find(|c| !is_word(c) && c != '.')
                        .unwrap_or(other.len());
                    written.push_str(&format!("<=> {} = 0", &other[..column]));
                    DISTINCT.len() + column
                } else {
                    written.push_str(word);
                    end
                }
            }
            other => {
                written.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    (written, places)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the literal at the beginning of a text ends.
fn literal(text: &str) -> usize {
    let mut at = 1;
    while let Some(quote) = text[at..].find('\'') {
        at += quote + 1;
        if !text[at..].starts_with('\'') {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The place behind the parenthesis that closes the one at the beginning of a text.
fn closed(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while let Some(first) = text[at..].chars().next() {
        match first {
            '\'' => {
                at += literal(&text[at..]);
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        at += first.len_utf8();
        if depth == 0 {
            break;
        }
    }
    at
}

fn casts(text: &str) -> String {
    const CAST: &str = "CAST(";
    let Some((before, from)) = text.find(CAST).map(|at| text.split_at(at)) else {
        return text.to_owned();
    };
    let end = CAST.len() - 1 + closed(&from[CAST.len() - 1..]);
    let inside = &from[CAST.len()..end - 1];
    let cast = if let Some(value) = inside.strip_suffix(" AS bigint") {
        let value = casts(value);
        let is_literal = value == "NULL"
            || value
                .strip_prefix('-')
                .unwrap_or(&value)
                .bytes()
                .all(|byte| byte.is_ascii_digit());
        if is_literal {
            format!("({value} - 9223372036854775807 + 9223372036854775807)")
        } else {
            format!("(({value}) DIV 1)")
        }
    } else if let Some(value) = inside.strip_suffix(" AS text") {
        format!("CAST({} AS CHAR)", casts(value))
    } else {
        format!("CAST({})", casts(inside))
    };
    format!("{before}{cast}{}", casts(&from[end..]))
}

fn values(text: &str) -> String {
    const VALUES: &str = "(VALUES ";
    let Some((before, from)) = text.find(VALUES).map(|at| text.split_at(at)) else {
        return text.to_owned();
    };
    let end = closed(from);
    let mut rows = String::new();
    let mut rest = from[VALUES.len()..end - 1].trim();
    while rest.starts_with('(') {
        let row = closed(rest);
        if !rows.is_empty() {
            rows.push_str(" UNION ALL ");
        }
        rows.push_str("SELECT ");
        rows.push_str(&rest[1..row - 1]);
        rest = rest[row..].trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    format!("{before}({rows}{rest}){}", values(&from[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_a_parameter_is_one() {
        let parameters = ["a", "b", "c"].map(Value::from);
        let text =
            "SELECT '$1', \"x\" FROM t WHERE a = $2 AND b > $1 AND c = $10 AND d = $2 -- it''s";
        let given = parameters
            .clone()
            .into_iter()
            .chain((4..=10).map(Value::from));
        let made = statement(DbBackend::MySql, text, given);
        assert_eq!(
            made.sql,
            "SELECT '$1', `x` FROM t WHERE a = ? AND b > ? AND c = ? AND d = ? -- it''s"
        );
        let expected = ["b".into(), "a".into(), Value::from(10), "b".into()];
        assert_eq!(made.values.map(|values| values.0), Some(expected.to_vec()));
        for engine in [DbBackend::Sqlite, DbBackend::Postgres] {
            let same = statement(engine, text, parameters.clone());
            assert_eq!(same.sql, text);
            assert_eq!(
                same.values.map(|values| values.0),
                Some(parameters.to_vec())
            );
        }
    }

    #[test]
    fn words_are_translated() {
        for (here, there) in [
            (
                "SELECT CAST(SUM(a >> CAST(b AS bigint)) AS bigint), CAST(-1 AS bigint), CAST(NULL AS text)",
                "SELECT ((SUM(a >> ((b) DIV 1))) DIV 1), (-1 - 9223372036854775807 + 9223372036854775807), CAST(NULL AS CHAR)",
            ),
            (
                "WITH w (a, b) AS (VALUES ($1, ')'), (f($2), 'x(')) SELECT length(a), char_length(b) FROM w",
                "WITH w (a, b) AS (SELECT ?, ')' UNION ALL SELECT f(?), 'x(') SELECT char_length(a), char_length(b) FROM w",
            ),
            (
                "WHERE a.b IS DISTINCT FROM c.d OR (x IS DISTINCT FROM y) AND 'IS DISTINCT FROM z' = z",
                "WHERE a.b <=> c.d = 0 OR (x <=> y = 0) AND 'IS DISTINCT FROM z' = z",
            ),
            (
                "INSERT INTO t (a) VALUES ($1), ($1)",
                "INSERT INTO t (a) VALUES (?), (?)",
            ),
        ] {
            assert_eq!(in_mariadbs_words(here).0, there);
        }
    }
}
