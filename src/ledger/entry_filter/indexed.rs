//! A condition that an index answers, and how many rows the index has for it.

use super::super::sql::Sql;
use super::super::{InvalidInput, PageError};
use crate::ledger::dialect;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::BTreeSet;
use uuid::Uuid;

/// At most so many rows of an index are read to begin with.
pub(super) const FEW: i64 = 2_000;

/// A condition that an index answers.
pub(super) struct Indexed {
    /// How many rows of the index there are, at most a few more than [`FEW`].
    pub(super) count: Sql,
    /// The ids of the entries.
    pub(super) ids: Sql,
    /// The condition for one entry.
    pub(super) each: Each,
}

pub(super) enum Each {
    Is(Sql),
    /// That it has a word of this range: not before the words are known, since a range of words is no range of entries.
    HasWord(String, Option<String>),
}

/// The end of an EXISTS that is asked for one entry after the other. Without the OFFSET, PostgreSQL might make a join of it, and read all
/// rows that fulfil the condition for any entry.
pub(super) const FOR_EACH: &str = " LIMIT 1 OFFSET 0)";

/// The most words that one word of a text may begin, where many entries have one of them.
const MOST_BEGUN: usize = 50;

impl Indexed {
    /// Entries with such a row, `found`, of a table of entries.
    pub(super) fn in_table(table: &str, is: Sql) -> Self {
        let from = format!("{table} AS found");
        let each = format!("EXISTS (SELECT 1 FROM {from} WHERE found.entry_id = entry.id AND ");
        Self {
            count: Sql::count(&from, is.clone(), FEW),
            ids: Sql::new(&format!("SELECT found.entry_id FROM {from} WHERE ")).and(is.clone()),
            each: Each::Is(Sql::new(&each).and(is).then(FOR_EACH)),
        }
    }

    /// The condition on an entry, of which the index has so many rows.
    pub(super) async fn filter(
        self,
        db: &impl ConnectionTrait,
        count: i64,
        notes: &mut Option<Vec<Statement>>,
    ) -> Result<Expr, PageError> {
        let engine = db.get_database_backend();
        if count <= FEW {
            if engine == DbBackend::MySql {
                return known(db, self.ids, notes).await;
            }
            let by_ids = Sql::new("entry.id IN (").and(self.ids).then(")");
            return Ok(by_ids.expr(engine));
        }
        let each = match self.each {
            Each::Is(each) => each,
            Each::HasWord(from, until) => {
                let words = begun(db, &from, until.as_deref(), notes).await?;
                let words = words.into_iter().map(|word| Sql::new("?").bind(word));
                let has = Sql::new(
                    "EXISTS (SELECT 1 FROM entry_word AS found WHERE found.entry_id = entry.id AND found.word IN (",
                );
                has.and(Sql::join(words, ", ")).then(")").then(FOR_EACH)
            }
        };
        Ok(each.expr(engine))
    }
}

/// The condition that an entry has one of these ids, which are read first. MariaDB would ask of each entry, in the order of the list,
/// whether it is one of them, however few they are.
async fn known(
    db: &impl ConnectionTrait,
    ids: Sql,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Expr, PageError> {
    let statement = ids.statement(db);
    if let Some(notes) = notes {
        notes.push(statement.clone());
    }
    let mut found = BTreeSet::new();
    for row in db.query_all_raw(statement).await? {
        found.insert(row.try_get_by_index::<Uuid>(0)?);
    }
    // As literals: such a text hardly comes again, and to prepare it would be a round trip.
    let found: Vec<_> = found
        .iter()
        .map(|id| format!("X'{}'", id.simple()))
        .collect();
    Ok(Expr::cust(match found.is_empty() {
        true => "1 = 0".to_owned(),
        false => format!("entry.id IN ({})", found.join(", ")),
    }))
}

/// The words of descriptions in a range.
async fn begun(
    db: &impl ConnectionTrait,
    from: &str,
    until: Option<&str>,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Vec<String>, PageError> {
    let engine = db.get_database_backend();
    let range = Sql::range("found.word", from, until);
    let sql = if engine == DbBackend::MySql {
        // By jumps in the index, too. In a subquery, it would read all words of the range for each of them.
        let distinct = Sql::new("SELECT DISTINCT found.word FROM entry_word AS found WHERE ");
        distinct
            .and(range)
            .then(&format!(" LIMIT {}", MOST_BEGUN + 1))
    } else {
        one_after_the_other(range)
    };
    let (sql, values) = sql.numbered();
    let statement = dialect::statement(engine, sql, values);
    if let Some(notes) = notes {
        notes.push(statement.clone());
    }
    let rows = db.query_all_raw(statement).await?;
    if rows.len() > MOST_BEGUN {
        let problem = format!(
            "has `{}`, which begins more than {MOST_BEGUN} words of more than {FEW} descriptions: write more of the word",
            from.escape_debug()
        );
        return Err(InvalidInput::new("filter.text", problem).into());
    }
    let words = rows.iter().map(|row| row.try_get("", "word"));
    Ok(words.collect::<Result<_, _>>()?)
}

/// The words of a range, and one more than are wanted: each is looked up after the one before it.
fn one_after_the_other(range: Sql) -> Sql {
    let first = "WITH RECURSIVE begun(word, number) AS (SELECT MIN(found.word), 1 FROM entry_word AS found WHERE ";
    let next = " UNION ALL SELECT (SELECT MIN(found.word) FROM entry_word AS found WHERE found.word > begun.word AND ";
    let last = format!(
        "), begun.number + 1 FROM begun WHERE begun.word IS NOT NULL AND begun.number <= {MOST_BEGUN}) SELECT word FROM begun WHERE word IS NOT NULL"
    );
    let sql = Sql::new(first).and(range.clone());
    sql.then(next).and(range).then(&last)
}

/// These numbers, in one statement.
pub(super) async fn counts_of(
    db: &impl ConnectionTrait,
    counts: Vec<Sql>,
    notes: &mut Option<Vec<Statement>>,
) -> Result<Vec<i64>, PageError> {
    let engine = db.get_database_backend();
    let number = counts.len();
    let columns = counts.into_iter().enumerate().map(|(index, count)| {
        Sql::new("(")
            .and(count)
            .then(&format!(") AS count_{index}"))
    });
    let (sql, values) = Sql::new("SELECT ").and(Sql::join(columns, ", ")).numbered();
    let statement = dialect::statement(engine, sql, values);
    if let Some(notes) = notes {
        notes.push(statement.clone());
    }
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(vec![0; number]);
    };
    let counts = (0..number).map(|index| row.try_get("", &format!("count_{index}")));
    Ok(counts.collect::<Result<_, _>>()?)
}
