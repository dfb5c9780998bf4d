//! The conditions, and the tables that they are for.

use super::{Schema, is_schema, read};

/// A table of which only some rows are seen.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    /// In parentheses. It stands in the table's expression, and in the WHERE of what changes rows of the table.
    pub(super) condition: String,
    /// The other tables that the condition names, by their place in the list.
    pub(super) needs: Vec<usize>,
}

impl Table {
    /// Whether this is its name. SQLite does not tell upper from lower case, within ASCII.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
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

/// The tables with their conditions.
///
/// # Errors
/// The first condition that would not protect, or not be understood.
pub(super) fn tables(
    conditions: &[(String, String)],
    schema: &Schema,
) -> Result<Vec<Table>, String> {
    let mut tables: Vec<Table> = Vec::new();
    for (name, condition) in conditions {
        let condition = checked(condition)
            .map_err(|problem| format!("the condition of `{name}` cannot be used: {problem}"))?;
        if let Some(known) = tables.iter_mut().find(|table| table.is_named(name)) {
            known.condition = format!("({} AND {condition})", known.condition);
            continue;
        }
        let is = |other: &String| other.eq_ignore_ascii_case(name);
        if !schema.tables.iter().any(is) {
            return Err(format!("there is no table `{name}`"));
        }
        if schema.temporary.iter().any(is) {
            return Err(format!("a temporary table hides `{name}`"));
        }
        tables.push(Table {
            name: name.clone(),
            condition,
            needs: Vec::new(),
        });
    }
    for place in 0..tables.len() {
        let needs = needs(&tables, place)?;
        tables[place].needs = needs;
    }
    Ok(tables)
}

/// The other tables that the condition at this place names.
fn needs(tables: &[Table], place: usize) -> Result<Vec<usize>, String> {
    let condition = &tables[place].condition;
    let tokens = read(condition)?;
    let mut needs = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = token.name(condition) else {
            continue;
        };
        // The server's own condition may name the table itself.
        let is_whole =
            at > 1 && tokens[at - 1].is_symbol(b'.') && is_schema(&tokens[at - 2], condition);
        let needed = tables.iter().position(|table| table.is_named(&name));
        needs.extend(needed.filter(|needed| *needed != place && !is_whole));
    }
    needs.sort_unstable();
    needs.dedup();
    Ok(needs)
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
        let is_variable = [b'?', b'$', b'@', b':', b'#'].into_iter();
        if is_variable.into_iter().any(|sign| token.is_symbol(sign)) {
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
    // A quote or comment that is not closed would swallow the parenthesis.
    match read(&condition)?.last() {
        Some(last) if last.is_symbol(b')') => Ok(condition),
        _ => Err("it does not close a quote".to_owned()),
    }
}
