//! The conditions, and the tables that they are for.

use super::super::tokens::Token;
use super::{
    Placed, Schema, is_in, is_schema, read,
    statement::{Conflict, Target},
};

/// A table of which only some rows are seen.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    /// In parentheses. It stands in the table's expression, and in the WHERE of what changes rows of the table.
    pub(super) condition: String,
    /// The other tables that the condition names, by their place in the list.
    pub(super) needs: Vec<usize>,
    /// Whether the condition names the row's columns in a way that stands for another row where an UPDATE has a FROM.
    is_ambiguous: bool,
    /// Whether new rows replace others by the table's own definition.
    replaces: bool,
    /// Whether it is a view or a virtual table.
    is_indirect: bool,
}

impl Table {
    /// Whether this is its name. SQLite does not tell upper from lower case, within ASCII.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Checks that a statement can be held to the rows of its target, which is this table.
    ///
    /// # Errors
    /// The way in which it could change other rows.
    pub(super) fn admits(&self, target: &Target) -> Result<(), String> {
        let name = &self.name;
        let replaces = match target.conflict {
            Some(Conflict::Replaces) => true,
            Some(Conflict::AsDefined) => self.replaces,
            Some(Conflict::Other) | None => false,
        };
        if replaces {
            return Err(format!(
                "REPLACE in `{name}` would delete rows that the operation does not see"
            ));
        }
        if target.reads_from && self.is_ambiguous {
            return Err(format!(
                "the condition of `{name}` names its columns in a way that UPDATE … FROM can take for those of another row"
            ));
        }
        // `INSERT INTO found (found) VALUES ('delete-all')`.
        if self.is_indirect && target.names_itself {
            return Err(format!("it is a command to `{name}`, for all of its rows"));
        }
        Ok(())
    }

    /// The table expression that hides the table.
    pub(super) fn expression(&self) -> String {
        let name = format!("\"{}\"", self.name.replace('"', "\"\""));
        format!(
            "{name} AS NOT MATERIALIZED (SELECT * FROM main.{name} WHERE {})",
            self.condition
        )
    }
}

/// The tables with their conditions, and the tables without one that conditions name.
///
/// # Errors
/// The first condition that would not protect, or not be understood.
pub(super) fn tables(
    conditions: &[(String, String)],
    schema: &Schema,
) -> Result<(Vec<Table>, Vec<String>), String> {
    let mut tables: Vec<Table> = Vec::new();
    for (name, condition) in conditions {
        let condition = checked(condition)
            .map_err(|problem| format!("the condition of `{name}` cannot be used: {problem}"))?;
        if let Some(known) = tables.iter_mut().find(|table| table.is_named(name)) {
            known.condition = format!("({} AND {condition})", known.condition);
            continue;
        }
        if !is_in(&schema.tables, name) {
            return Err(format!("there is no table `{name}`"));
        }
        if is_in(&schema.temporary, name) {
            return Err(format!("a temporary table hides `{name}`"));
        }
        tables.push(Table {
            name: name.clone(),
            condition,
            needs: Vec::new(),
            is_ambiguous: false,
            replaces: is_in(&schema.replacing, name),
            is_indirect: is_in(&schema.indirect, name),
        });
    }
    let mut read = Vec::new();
    for place in 0..tables.len() {
        look_into(&mut tables, place, schema, &mut read)?;
    }
    read.sort_unstable();
    read.dedup();
    Ok((tables, read))
}

/// Finds what the condition at this place names, and adds to `read` the tables without a condition.
fn look_into(
    tables: &mut [Table],
    place: usize,
    schema: &Schema,
    read_too: &mut Vec<String>,
) -> Result<(), String> {
    let condition = &tables[place].condition;
    let tokens = read(condition)?;
    let (mut needs, mut is_ambiguous) = (Vec::new(), false);
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = token.name(condition) else {
            continue;
        };
        // The server's own condition may name the table itself.
        let is_whole =
            at > 1 && tokens[at - 1].is_symbol(b'.') && is_schema(&tokens[at - 2], condition);
        let has_column = tokens.get(at + 1).is_some_and(|dot| dot.is_symbol(b'.'));
        let mut rowids = ["rowid", "oid", "_rowid_"].into_iter();
        match tables.iter().position(|table| table.is_named(&name)) {
            Some(needed) if needed == place => is_ambiguous |= has_column,
            Some(needed) if !is_whole => needs.push(needed),
            Some(_) => {}
            None if is_in(&schema.temporary, &name) => {
                return Err(format!(
                    "the condition of `{}` names `{name}`, which a temporary table hides",
                    tables[place].name
                ));
            }
            None if is_in(&schema.tables, &name) => read_too.push(name.to_ascii_lowercase()),
            None => is_ambiguous |= rowids.any(|rowid| name.eq_ignore_ascii_case(rowid)),
        }
    }
    needs.sort_unstable();
    needs.dedup();
    tables[place].needs = needs;
    tables[place].is_ambiguous = is_ambiguous;
    Ok(())
}

/// A condition in parentheses, without a comment at its end.
fn checked(condition: &str) -> Result<String, String> {
    let tokens = read(condition)?;
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return Err("it is empty".to_owned());
    };
    let mut depth = 0_usize;
    for token in &tokens {
        if token.is_symbol(b';') {
            return Err("it has a semicolon".to_owned());
        }
        // It would take a value of the statement.
        if token.token == Token::Variable {
            return Err("it has a variable".to_owned());
        }
        if token.is_symbol(b'(') {
            depth += 1;
        } else if token.is_symbol(b')') {
            depth = depth
                .checked_sub(1)
                .ok_or("it closes a parenthesis that it has not opened")?;
        }
    }
    if depth > 0 {
        return Err("it does not close a parenthesis".to_owned());
    }
    let condition = format!("({})", &condition[first.start..last.end]);
    let tokens = read(&condition)?;
    // A quote or comment that is not closed would swallow the parenthesis.
    match tokens.last() {
        Some(last) if last.is_symbol(b')') => Ok(never_text(&condition, &tokens)),
        _ => Err("it does not close a quote".to_owned()),
    }
}

/// The condition with its names in backticks. SQLite takes a name in double quotes for a text where there is no such column, and by a
/// mistyped one everything would be seen: `"tennant" <> 'bob'`.
fn never_text(condition: &str, tokens: &[Placed<'_>]) -> String {
    let mut result = String::with_capacity(condition.len());
    let mut done = 0;
    for token in tokens {
        let is_doubtful = condition[token.start..].starts_with('"');
        if let Some(name) = token.name(condition).filter(|_| is_doubtful) {
            result.push_str(&condition[done..token.start]);
            result.push('`');
            result.push_str(&name.replace('`', "``"));
            result.push('`');
            done = token.end;
        }
    }
    result.push_str(&condition[done..]);
    result
}
