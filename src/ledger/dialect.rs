//! Statements that are written by hand, in the words of each engine.
//!
//! They are written in what PostgreSQL and SQLite have in common, with `$1`, `$2`, … for their parameters. Where MariaDB only says the same
//! in other words, it is translated here, word by word. Where it thinks differently, the statement has an arm of its own.
//!
//! | here | MariaDB |
//! |---|---|
//! | `$2`, `$1`, `$2` | `?`, `?`, `?`, and a parameter for each |
//! | `?` | `?`, for the first parameter, then for the second one, as SQLite's driver has it |
//! | `CAST(… AS bigint)` | `((…) DIV 1)`, for its CAST takes the nearest number where one is too large. Of a literal, a sum that is a `BIGINT` |
//! | `CAST(… AS text)`, `CAST(… AS numeric)` | `CAST(… AS char)`, `CAST(… AS decimal(65, 0))` |
//! | `(VALUES (…), (…))` | `(SELECT … UNION ALL SELECT …)`, for in a table of values it takes a parameter for a text of no characters |
//! | `a IS NOT DISTINCT FROM b` | `a <=> b` |
//! | `a IS DISTINCT FROM b`, `b` a column | `a <=> b = 0` |
//! | `length(text)` | `char_length(text)`, for its `length` counts bytes |
//! | `AS MATERIALIZED (…)`, `AS NOT MATERIALIZED (…)` | `AS (…)` |
//! | `"name"`, and names that are keywords there, such as `lines` | `` `name` `` |
//! | a backslash in a literal | two |
//!
//! So keywords are written in capitals, and names in small letters.

use sea_orm::{DbBackend, Statement, Value};

/// Names of columns, and of parts of statements, that are keywords there.
const KEYWORDS: [&str; 9] = [
    "before", "change", "each", "from", "key", "lines", "range", "row", "rows",
];

/// A statement with parameters.
pub(super) fn statement(
    engine: DbBackend,
    text: impl Into<String>,
    parameters: impl IntoIterator<Item = Value>,
) -> Statement {
    if engine != DbBackend::MySql {
        return Statement::from_sql_and_values(engine, text, parameters);
    }
    let (text, places) = in_mariadbs_words(&text.into());
    let parameters: Vec<Value> = parameters.into_iter().collect();
    let parameters = places.iter().filter_map(|place| parameters.get(*place));
    Statement::from_sql_and_values(engine, text, parameters.cloned())
}

/// A statement without parameters.
pub(super) fn plain(engine: DbBackend, text: impl Into<String>) -> Statement {
    if engine != DbBackend::MySql {
        return Statement::from_string(engine, text);
    }
    let (text, _) = in_mariadbs_words(&text.into());
    Statement::from_string(engine, text)
}

/// The text for MariaDB, and which parameter each of its `?` is, from 0.
pub(super) fn in_mariadbs_words(text: &str) -> (String, Vec<usize>) {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(length_of_word(rest));
        words.push(word);
        rest = after;
    }
    let mut written = Written::default();
    written.add(Words(&words));
    (written.text, written.places)
}

/// A part of a statement, word by word. Space is a word, too.
#[derive(Clone, Copy)]
struct Words<'a>(&'a [&'a str]);

impl<'a> Words<'a> {
    /// What follows these words, if the part begins with them. Where the last of them is no parenthesis, the space after it stays.
    fn after(self, expected: &[&str]) -> Option<Self> {
        let mut rest = self;
        for expected in expected {
            let (first, after) = rest.trimmed().0.split_first()?;
            if first != expected {
                return None;
            }
            rest = Self(after);
        }
        Some(rest)
    }

    /// Without the space around it.
    fn trimmed(self) -> Self {
        let is_space = |word: &&str| word.trim().is_empty();
        let mut words = self.0;
        while let Some((_, rest)) = words.split_first().filter(|(first, _)| is_space(first)) {
            words = rest;
        }
        while let Some((_, rest)) = words.split_last().filter(|(last, _)| is_space(last)) {
            words = rest;
        }
        Self(words)
    }

    /// What is inside of parentheses that were opened before, and what follows them.
    fn until_closed(self) -> (Self, Self) {
        let mut depth = 1;
        for (at, word) in self.0.iter().enumerate() {
            depth += match *word {
                "(" => 1,
                ")" => -1,
                _ => 0,
            };
            if depth == 0 {
                let (inside, rest) = self.0.split_at(at);
                return (Self(inside), Self(rest.get(1..).unwrap_or_default()));
            }
        }
        (self, Self(&[]))
    }

    /// What is cast, and the type, of the inside of a CAST.
    fn cast(self) -> Option<(Self, &'a str)> {
        let (name, rest) = self.trimmed().0.split_last()?;
        let (r#as, value) = Self(rest).trimmed().0.split_last()?;
        (*r#as == "AS").then_some((Self(value).trimmed(), name))
    }

    /// Whether it is a number, or NULL.
    fn is_literal(self) -> bool {
        let value = self.after(&["-"]).unwrap_or(self);
        let digits = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
        matches!(value.0, [word] if *word == "NULL" || digits(word))
    }
}

/// What is written for MariaDB.
#[derive(Default)]
struct Written {
    text: String,
    places: Vec<usize>,
    /// How many places without a number there were so far.
    unnumbered: usize,
}

impl Written {
    fn add(&mut self, mut words: Words<'_>) {
        while let Some((word, rest)) = words.0.split_first() {
            words = self.word(word, Words(rest));
        }
    }

    /// Writes the word, and returns what is left to be written of those that follow it.
    fn word<'a>(&mut self, word: &str, rest: Words<'a>) -> Words<'a> {
        let is_call = rest.0.first() == Some(&"(");
        match word {
            "CAST" if is_call => {
                let (inside, after) = Words(&rest.0[1..]).until_closed();
                self.cast(inside);
                return after;
            }
            "(" => {
                self.text += "(";
                if let Some(rows) = rest.after(&["VALUES"]) {
                    let (rows, after) = rows.until_closed();
                    self.rows(rows);
                    self.text += ")";
                    return after;
                }
            }
            "AS" => {
                self.text += "AS";
                let hinted = rest.after(&["MATERIALIZED"]);
                let hinted = hinted.or_else(|| rest.after(&["NOT", "MATERIALIZED"]));
                return hinted.unwrap_or(rest);
            }
            "IS" => {
                if let Some(after) = rest.after(&["NOT", "DISTINCT", "FROM"]) {
                    self.text += "<=>";
                    return after;
                }
                if let Some(after) = rest.after(&["DISTINCT", "FROM"]) {
                    let other = after.trimmed();
                    let is_name = |word: &&&str| **word == "." || word.starts_with(is_letter);
                    let length = other.0.iter().take_while(is_name).count();
                    let (name, after) = other.0.split_at(length);
                    self.text += "<=> ";
                    self.add(Words(name));
                    self.text += " = 0";
                    return Words(after);
                }
                self.text += "IS";
            }
            "length" if is_call => self.text += "char_length",
            _ if KEYWORDS.contains(&word) && !is_call => self.text += &format!("`{word}`"),
            _ if word.starts_with('"') => self.text += &word.replace('"', "`"),
            _ if word.starts_with('\'') => self.text += &word.replace('\\', r"\\"),
            "?" => {
                self.text += "?";
                self.places.push(self.unnumbered);
                self.unnumbered += 1;
            }
            _ => match word.strip_prefix('$').map(str::parse::<usize>) {
                Some(Ok(number)) if number > 0 => {
                    self.text += "?";
                    self.places.push(number - 1);
                }
                _ => self.text += word,
            },
        }
        rest
    }

    fn cast(&mut self, inside: Words<'_>) {
        let (before, value, after) = match inside.cast() {
            Some((value, "bigint")) if value.is_literal() => {
                ("(", value, " - 9223372036854775807 + 9223372036854775807)")
            }
            Some((value, "bigint")) => ("((", value, ") DIV 1)"),
            Some((value, "text")) => ("CAST(", value, " AS char)"),
            Some((value, "numeric")) => ("CAST(", value, " AS decimal(65, 0))"),
            _ => ("CAST(", inside, ")"),
        };
        self.text += before;
        self.add(value);
        self.text += after;
    }

    /// The rows of a table of values, and what follows them.
    fn rows(&mut self, mut rest: Words<'_>) {
        let mut before = "SELECT ";
        while let Some(row) = rest.after(&["("]) {
            let (row, after) = row.until_closed();
            self.text += before;
            self.add(row);
            before = " UNION ALL SELECT ";
            rest = after.after(&[","]).unwrap_or(after);
        }
        self.add(rest);
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the first word is, in bytes: a name, a keyword or a number, a literal, a comment, space, or one character of something else.
fn length_of_word(text: &str) -> usize {
    let until = |end: &str, skip: usize| {
        let found = text.get(skip..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |found| skip + found + end.len())
    };
    let while_all = |is: fn(char) -> bool, skip: usize| {
        let found = text.get(skip..).and_then(|rest| rest.find(|c| !is(c)));
        found.map_or(text.len(), |found| skip + found)
    };
    match text.chars().next() {
        // Two quotes in a literal are the end of one word and the beginning of the next, which are written the same.
        Some('\'') => until("'", 1),
        Some('"') => until("\"", 1),
        Some('`') => until("`", 1),
        Some('-') if text.starts_with("--") => until("\n", 2),
        Some('/') if text.starts_with("/*") => until("*/", 2),
        Some('$') => while_all(|c| c.is_ascii_digit(), 1),
        Some(c) if c.is_whitespace() => while_all(char::is_whitespace, 0),
        Some(c) if is_letter(c) => while_all(is_letter, 0),
        Some(c) => c.len_utf8(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_a_parameter_is_one() {
        let parameters = ["a", "b", "c"].map(Value::from);
        let text = "SELECT '$1', \"x\", 'it''s $1' FROM t WHERE a = $2 AND b > $1 /* $1 */ AND c = $10 AND d = $2 -- it's $1";
        let given = parameters
            .clone()
            .into_iter()
            .chain((4..=10).map(Value::from));
        let made = statement(DbBackend::MySql, text, given);
        assert_eq!(
            made.sql,
            "SELECT '$1', `x`, 'it''s $1' FROM t WHERE a = ? AND b > ? /* $1 */ AND c = ? AND d = ? -- it's $1"
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
            assert_eq!(plain(engine, text), Statement::from_string(engine, text));
        }
    }

    #[test]
    fn places_without_a_number_are_counted() {
        let (text, places) =
            in_mariadbs_words("SELECT `lines` FROM t WHERE a = $3 AND b = ? AND c = ? AND d = $3");
        assert_eq!(
            text,
            "SELECT `lines` FROM t WHERE a = ? AND b = ? AND c = ? AND d = ?"
        );
        assert_eq!(places, [2, 0, 1, 2]);
    }

    #[test]
    fn words_are_translated() {
        for (here, there) in [
            (
                "SELECT CAST(SUM(a >> CAST(b AS bigint)) AS bigint), CAST(-1 AS bigint), CAST(NULL AS text)",
                "SELECT ((SUM(a >> ((b) DIV 1))) DIV 1), (-1 - 9223372036854775807 + 9223372036854775807), CAST(NULL AS char)",
            ),
            (
                "SELECT CAST(length(a) AS numeric), 'CAST(a AS text)', CAST(a AS binary)",
                "SELECT CAST(char_length(a) AS decimal(65, 0)), 'CAST(a AS text)', CAST(a AS binary)",
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
                "WHERE a IS NOT DISTINCT FROM b AND a IS NOT NULL",
                "WHERE a <=> b AND a IS NOT NULL",
            ),
            (
                "WITH a AS MATERIALIZED (SELECT 1), b AS NOT MATERIALIZED (SELECT 2)",
                "WITH a AS (SELECT 1), b AS (SELECT 2)",
            ),
            (
                "SELECT kept.lines, found.key, 'lines' FOR KEY SHARE",
                "SELECT kept.`lines`, found.`key`, 'lines' FOR KEY SHARE",
            ),
            (r"SELECT 'a\b', ''''", r"SELECT 'a\\b', ''''"),
            (
                "INSERT INTO t (a) VALUES ($1), ($1)",
                "INSERT INTO t (a) VALUES (?), (?)",
            ),
        ] {
            assert_eq!(in_mariadbs_words(here).0, there);
        }
    }
}
