//! Pieces of SQL that are put together, each with its parameters.

use crate::ledger::dialect;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

/// A piece of SQL, with a `?` for each parameter, in their order. It has no other `?`.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    text: String,
    parameters: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parameters: Vec::new(),
        }
    }

    /// Gives the next `?` its parameter.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(value.into());
        self
    }

    /// This piece, and then another one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.text += &other.text;
        self.parameters.extend(other.parameters);
        self
    }

    /// This piece, and then a text.
    pub(super) fn then(mut self, text: &str) -> Self {
        self.text += text;
        self
    }

    /// Pieces with a text between them.
    pub(super) fn join(pieces: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut pieces = pieces.into_iter();
        let first = pieces.next().unwrap_or_else(|| Self::new(""));
        pieces.fold(first, |all, piece| all.then(between).and(piece))
    }

    /// The condition that all of these are true.
    pub(super) fn all(conditions: Vec<Self>) -> Self {
        Self::join(conditions, " AND ")
    }

    /// The condition that a column is at least `from` and, if that is given, less than `until`.
    pub(super) fn range(column: &str, from: &str, until: Option<&str>) -> Self {
        let range = Self::new(&format!("{column} >= ?")).bind(from);
        match until {
            Some(until) => range.then(&format!(" AND {column} < ?")).bind(until),
            None => range,
        }
    }

    /// How many rows of a table fulfil a condition, counted up to one more than `most`.
    pub(super) fn count(table: &str, condition: Self, most: i64) -> Self {
        let rows = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE ");
        let rows = Self::new(&rows).and(condition);
        rows.then(&format!(" LIMIT {}) AS counted", most + 1))
    }

    /// As a statement for this database.
    pub(super) fn statement(self, db: &impl ConnectionTrait) -> Statement {
        let (text, parameters) = self.numbered();
        dialect::statement(db.get_database_backend(), text, parameters)
    }

    /// As a condition of a statement that is built.
    pub(super) fn expr(self, engine: DbBackend) -> Expr {
        match engine {
            DbBackend::Postgres => {
                let (text, parameters) = self.numbered();
                Expr::cust_with_values(text, parameters)
            }
            DbBackend::MySql => {
                let (text, _) = dialect::in_mariadbs_words(&self.text);
                Expr::cust_with_values(text, self.parameters)
            }
            _ => Expr::cust_with_values(self.text, self.parameters),
        }
    }

    /// As a text with `$1`, `$2`, …
    pub(super) fn numbered(self) -> (String, Vec<Value>) {
        let mut pieces = self.text.split('?');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for (piece, number) in pieces.zip(1..) {
            text += &format!("${number}{piece}");
        }
        (text, self.parameters)
    }
}

/// The rows of `table` that have one of these pairs in their key: an id, and a number that counts for each id. There must be one at least.
pub(super) fn numbered_of(
    table: &str,
    (id, number): (&str, &str),
    pairs: impl IntoIterator<Item = (Uuid, i64)>,
) -> Sql {
    let pairs = pairs.into_iter();
    let pairs = pairs.map(|(id, number)| Sql::new("(?, ?)").bind(id).bind(number));
    Sql::new("WITH wanted (id, number) AS (VALUES ")
        .and(Sql::join(pairs, ", "))
        .then(&format!(
            ") SELECT {table}.* FROM wanted JOIN {table} ON {table}.{id} = wanted.id AND {table}.{number} = wanted.number"
        ))
}
