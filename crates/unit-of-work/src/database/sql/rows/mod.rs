//! Holds the statements of a transaction to the rows that it may see, on SQLite, which has no policies.
//!
//! A table expression with the name of a table hides the table. So a statement that names `account` is sent as
//!
//! ```sql
//! WITH "account" AS NOT MATERIALIZED (SELECT * FROM main."account" WHERE (ledger = 'acme')) SELECT … FROM account …
//! ```
//!
//! SQLite looks for a name among table expressions first, at every depth of the statement, also in RETURNING and ON CONFLICT. It merges
//! them into the query, so indexes are used. What the name does not hide is looked after here:
//! - the target of an INSERT, UPDATE or DELETE is the table itself: what changes rows that are there gets the condition into its WHERE;
//! - a name with a schema is the table itself, and a view reads the table itself: such statements are refused;
//! - a condition stands among the statement's own table expressions: one with the name of a table that a condition reads is refused.
//!
//! Triggers and foreign keys have the table itself as well, as it should be.
//!
//! What is not understood is refused. [`condition`] reads the conditions once for each transaction, and [`statement`] finds in a statement
//! the places where something has to be inserted.

mod condition;
mod statement;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::{condition::Table, statement::Statement};
use super::tokens::{Dialect, Token, Tokens};
use crate::UnitError;

/// The objects of a database that matter for what a statement sees.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// The tables and views.
    pub(crate) tables: Vec<String>,
    /// Those of them whose rows come from elsewhere: views, virtual tables and what these keep theirs in, the samples that ANALYZE takes;
    /// and what can be read as a table without being one.
    pub(crate) indirect: Vec<String>,
    /// Those in which a new row can replace others, whatever the statement says: `UNIQUE ON CONFLICT REPLACE`.
    pub(crate) replacing: Vec<String>,
    /// The tables and views of the connection alone. They hide the database's.
    pub(crate) temporary: Vec<String>,
}

/// The rows that a transaction sees.
#[derive(Debug)]
pub(crate) struct VisibleRows {
    tables: Vec<Table>,
    /// What reads rows around the conditions, and has none itself.
    indirect: Vec<String>,
    /// The tables without a condition that conditions name.
    read: Vec<String>,
}

impl VisibleRows {
    /// Those that fulfil the conditions, each of a table.
    ///
    /// # Errors
    /// [`UnitError::RowsRefused`] for a condition that would not protect.
    pub(crate) fn new(conditions: &[(String, String)], schema: &Schema) -> Result<Self, UnitError> {
        let (tables, read) = condition::tables(conditions, schema).map_err(refused)?;
        let indirect = schema.indirect.iter();
        let indirect = indirect.filter(|name| !tables.iter().any(|table| table.is_named(name)));
        Ok(Self {
            indirect: indirect.cloned().collect(),
            tables,
            read,
        })
    }

    /// The text to send in the place of `text`, which is one statement or several; `None` if it names none of the tables.
    ///
    /// # Errors
    /// [`UnitError::RowsRefused`] for a statement that could see or change other rows.
    pub(crate) fn narrow(&self, text: &str) -> Result<Option<String>, UnitError> {
        self.narrowed(text).map_err(refused)
    }

    fn narrowed(&self, text: &str) -> Result<Option<String>, String> {
        let tokens = read(text)?;
        // Several statements in one text run one after the other, and each is held to the rows.
        let statements = tokens.split(|token| token.is_symbol(b';'));
        let statements: Vec<_> = statements.filter(|tokens| !tokens.is_empty()).collect();
        if statements.is_empty() {
            return Err("there is no statement".to_owned());
        }
        let mut edits = Vec::new();
        for tokens in statements {
            self.narrow_statement(text, tokens, &mut edits)?;
        }
        Ok((!edits.is_empty()).then(|| edited(text, edits)))
    }

    /// Adds what has to be inserted into one statement.
    fn narrow_statement(
        &self,
        text: &str,
        tokens: &[Placed<'_>],
        edits: &mut Vec<(usize, String)>,
    ) -> Result<(), String> {
        let statement = Statement::read(text, tokens)?;
        let mut named = vec![false; self.tables.len()];
        for (place, token) in tokens.iter().enumerate() {
            let Some(name) = token.name(text) else {
                continue;
            };
            let table = self.tables.iter().position(|table| table.is_named(&name));
            let is_indirect = table.is_none() && self.is_indirect(&name);
            if (table.is_some() || is_in(&self.read, &name))
                && statement::is_own_table(&tokens[place + 1..])
            {
                return Err(format!(
                    "a table expression of the statement is named `{name}`, as a table of the conditions is"
                ));
            }
            if table.is_none() && !is_indirect {
                continue;
            }
            let before = &tokens[..place];
            let is_part = before.last().is_some_and(|dot| dot.is_symbol(b'.'));
            if is_part && before.len() > 1 && is_schema(&before[before.len() - 2], text) {
                return Err(format!(
                    "`{name}` is named with its schema, and would be seen as a whole"
                ));
            }
            match table {
                Some(table) => named[table] = true,
                // A column, as in `line.name`.
                None if is_part => {}
                None => {
                    return Err(format!(
                        "`{name}` reads rows of other tables, and has no condition of its own"
                    ));
                }
            }
        }
        let Some(expressions) = self.expressions(named) else {
            return Ok(());
        };
        edits.push(statement.introduced(&expressions));
        if let Some(target) = &statement.target
            && let Some(table) = self
                .tables
                .iter()
                .find(|table| table.is_named(&target.name))
        {
            table.admits(target)?;
            for clause in &target.clauses {
                clause.narrow(&table.condition, edits);
            }
        }
        Ok(())
    }

    /// Whether this is the name of something that reads rows around the conditions: also a PRAGMA that is read as a table.
    fn is_indirect(&self, name: &str) -> bool {
        let is_pragma = |begin: &[u8]| begin.eq_ignore_ascii_case(b"pragma_");
        is_in(&self.indirect, name) || name.as_bytes().get(..7).is_some_and(is_pragma)
    }

    /// The table expressions for the tables that are named, and for those that their conditions name. `None` if there are none.
    fn expressions(&self, mut named: Vec<bool>) -> Option<String> {
        let mut open: Vec<usize> = (0..named.len()).filter(|table| named[*table]).collect();
        while let Some(table) = open.pop() {
            for needed in &self.tables[table].needs {
                if !std::mem::replace(&mut named[*needed], true) {
                    open.push(*needed);
                }
            }
        }
        let tables = self.tables.iter().zip(named);
        let expressions: Vec<_> = tables
            .filter(|(_, is_named)| *is_named)
            .map(|(table, _)| table.expression())
            .collect();
        (!expressions.is_empty()).then(|| expressions.join(", "))
    }
}

fn refused(problem: String) -> UnitError {
    UnitError::RowsRefused { problem }
}

/// Whether one of these is the name. SQLite does not tell upper from lower case, within ASCII.
fn is_in(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a table of this definition deletes rows that are in the way of a new one, as in `UNIQUE ON CONFLICT REPLACE`.
pub(crate) fn replaces(definition: &str) -> bool {
    let tokens: Vec<_> = Tokens::of(definition, Dialect::Sqlite).collect();
    let mut pairs = tokens.windows(2);
    pairs.any(|pair| pair[0].is("CONFLICT") && pair[1].is("REPLACE"))
}

/// Whether a token is the name of a schema. No other databases are attached to a connection.
fn is_schema(token: &Placed<'_>, text: &str) -> bool {
    token
        .name(text)
        .is_some_and(|name| name.eq_ignore_ascii_case("main") || name.eq_ignore_ascii_case("temp"))
}

/// A token and its place in the text.
#[derive(Clone, Copy, Debug)]
struct Placed<'a> {
    token: Token<'a>,
    start: usize,
    end: usize,
}

impl Placed<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.token.is(keyword)
    }

    fn is_symbol(&self, symbol: u8) -> bool {
        self.token == Token::Symbol(symbol)
    }

    /// What it names, if it is a name. SQLite also takes a string literal for one.
    fn name<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        let whole = &text[self.start..self.end];
        let quote = whole.chars().next()?;
        match self.token {
            Token::Word(_) => Some(Cow::Borrowed(whole)),
            Token::Quoted(_) | Token::Literal if matches!(quote, '"' | '`' | '\'') => {
                let inside = &whole[1..];
                let inside = inside.strip_suffix(quote).unwrap_or(inside);
                let doubled = format!("{quote}{quote}");
                Some(match inside.contains(&doubled) {
                    true => Cow::Owned(inside.replace(&doubled, &quote.to_string())),
                    false => Cow::Borrowed(inside),
                })
            }
            Token::Quoted(_) => {
                let inside = &whole[1..];
                Some(Cow::Borrowed(inside.strip_suffix(']').unwrap_or(inside)))
            }
            Token::Literal | Token::Variable | Token::ExecutedComment | Token::Symbol(_) => None,
        }
    }
}

/// The tokens of a text, as SQLite reads it.
///
/// # Errors
/// For a character at which SQLite stops, and [`Tokens`] do not.
fn read(text: &str) -> Result<Vec<Placed<'_>>, String> {
    if text.contains('\0') {
        return Err("it has the character U+0000, at which SQLite stops".to_owned());
    }
    let mut tokens = Tokens::of(text, Dialect::Sqlite);
    let mut placed: Vec<Placed<'_>> = Vec::new();
    while let Some((token, place)) = tokens.next_placed() {
        placed.push(Placed {
            token,
            start: place.start,
            end: place.end,
        });
    }
    Ok(placed)
}

/// The text with insertions, each at its place.
fn edited(text: &str, mut edits: Vec<(usize, String)>) -> String {
    edits.sort_by_key(|(place, _)| *place);
    let length = edits.iter().map(|(_, edit)| edit.len()).sum::<usize>();
    let mut result = String::with_capacity(text.len() + length);
    let mut done = 0;
    for (place, edit) in edits {
        result.push_str(&text[done..place]);
        result.push_str(&edit);
        done = place;
    }
    result.push_str(&text[done..]);
    result
}
