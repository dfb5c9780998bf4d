//! Statements that do not depend on each other's results: they are sent in one round trip.

use crate::ledger::statement_cache::StatementCache;
use crate::ledger::{literal, words};
use daybook_entity::entry;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, Func, Query, SubQueryStatement, Values, WithQuery,
};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, Iterable, ModelTrait,
    QueryTrait, Statement, Value,
};
use serde_json::Value as Json;
use std::any::TypeId;

/// Rows of one INSERT: within every engine's number of parameters.
pub(super) const ROWS: usize = 1000;

/// The texts of statements with at most so many rows are kept. There are fewer than a thousand of them.
const KEPT: usize = 8;

/// One of the statements that go together.
pub(super) trait Part: Send + Sync {
    /// What its text depends on.
    fn shape(&self) -> Shape;

    /// The statement.
    fn write(&self, engine: DbBackend) -> SubQueryStatement;

    /// Its parameters, in the order of its text.
    fn parameters(&self) -> Vec<Value>;
}

/// What the text of a [`Part`] depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// What it does, and to which table.
    pub(super) part: TypeId,
    pub(super) rows: usize,
}

struct Insert<'a, M>(&'a [M]);

impl<M> Part for Insert<'_, M>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel> + Sync + 'static,
{
    fn shape(&self) -> Shape {
        Shape {
            part: TypeId::of::<Insert<'static, M>>(),
            rows: self.0.len(),
        }
    }

    fn write(&self, _: DbBackend) -> SubQueryStatement {
        let rows = self.0.iter().cloned();
        let rows = rows.map(IntoActiveModel::into_active_model);
        M::Entity::insert_many(rows).into_query().into()
    }

    fn parameters(&self) -> Vec<Value> {
        let columns = <M::Entity as EntityTrait>::Column::iter;
        let rows = self.0.iter();
        rows.flat_map(|row| columns().map(|column| row.get(column)))
            .collect()
    }
}

/// The statements that insert these rows; none where there are none.
pub(super) fn inserts<M>(rows: &[M]) -> impl Iterator<Item = Box<dyn Part + '_>>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel> + Sync + 'static,
{
    rows.chunks(ROWS).map(|rows| Box::new(Insert(rows)) as _)
}

/// The words of entries, to be found by: one statement, however many there are.
struct Words(Json);

impl Part for Words {
    fn shape(&self) -> Shape {
        Shape {
            part: TypeId::of::<Self>(),
            rows: 1,
        }
    }

    fn write(&self, engine: DbBackend) -> SubQueryStatement {
        let (word, id) = match engine {
            DbBackend::Sqlite => ("one.value ->> 0", "unhex(one.value ->> 1)"),
            DbBackend::MySql => ("one.word", "unhex(one.id)"),
            _ => ("one.value ->> 0", "CAST(one.value ->> 1 AS uuid)"),
        };
        let each = match engine {
            DbBackend::Sqlite => Func::cust("json_each").arg(self.0.clone()),
            // A function with its columns among its arguments.
            DbBackend::MySql => {
                let text = "?, '$[*]' COLUMNS (word varchar(64) CHARACTER SET utf8mb4 PATH '$[0]', id char(32) PATH '$[1]')";
                Func::cust("JSON_TABLE").arg(Expr::cust_with_values(text, [self.0.clone()]))
            }
            _ => Func::cust("jsonb_array_elements").arg(self.0.clone()),
        };
        let pairs = Query::select()
            .expr(Expr::cust(word))
            .expr(Expr::cust(id))
            .from_function(each, "one")
            .to_owned();
        let mut insert = Query::insert();
        insert
            .into_table("entry_word")
            .columns(["word", "entry_id"]);
        // It fails only if the columns are not as many as those of the SELECT.
        let _ = insert.select_from(pairs);
        insert.clone().into()
    }

    fn parameters(&self) -> Vec<Value> {
        vec![self.0.clone().into()]
    }
}

/// The statement that inserts the words of these entries' descriptions; none where there are none.
pub(super) fn words<'a>(entries: &[entry::Model]) -> Option<Box<dyn Part + 'a>> {
    let mut all = Vec::new();
    for entry in entries {
        let Some(description) = &entry.description else {
            continue;
        };
        let id = entry.id.simple().to_string();
        let words = words::words(description).into_iter();
        all.extend(words.map(|word| Json::from(vec![word, id.clone()])));
    }
    (!all.is_empty()).then(|| Box::new(Words(Json::from(all))) as _)
}

/// Executes them: on PostgreSQL as one statement, whose foreign keys are checked at its end; on SQLite one after the other, in one turn of
/// the connection's thread; on MariaDB one after the other, in one round trip.
///
/// None may read what another writes.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    parts: Vec<Box<dyn Part + '_>>,
) -> Result<(), DbErr> {
    let engine = db.get_database_backend();
    if engine == DbBackend::MySql {
        return in_one_text(db, &parts).await;
    }
    if let Some((last, others)) = parts.split_last() {
        db.execute_raw(statement(engine, others, &**last)).await?;
    }
    Ok(())
}

/// Executes them on MariaDB, as one text: with literals, because only a single statement can have parameters there.
async fn in_one_text(db: &impl ConnectionTrait, parts: &[Box<dyn Part + '_>]) -> Result<(), DbErr> {
    /// A longer text is sent in several round trips. The server takes 16 MiB at once, unless it is set to take less.
    const LONG: usize = 512 * 1024;
    let mut text = String::new();
    for (part, place) in parts.iter().zip(1..) {
        text += &literal::inline(&statement(DbBackend::MySql, &[], &**part))?;
        if place == parts.len() || text.len() > LONG {
            db.execute_unprepared(&text).await?;
            text.clear();
        } else {
            text += "; ";
        }
    }
    Ok(())
}

/// One statement for all of them.
fn statement(engine: DbBackend, others: &[Box<dyn Part + '_>], last: &dyn Part) -> Statement {
    static STATEMENTS: StatementCache<Vec<Shape>> = StatementCache::new();
    let parts = || others.iter().map(|part| &**part).chain([last]);
    let shape: Vec<_> = parts().map(Part::shape).collect();
    let rows: usize = shape.iter().map(|shape| shape.rows).sum();
    if rows > KEPT {
        return write(engine, others, last);
    }
    let parameters = parts().flat_map(Part::parameters);
    STATEMENTS.statement(engine, shape, parameters, || write(engine, others, last))
}

fn write(engine: DbBackend, others: &[Box<dyn Part + '_>], last: &dyn Part) -> Statement {
    if engine != DbBackend::Postgres {
        return in_order(engine, others, last);
    }
    let last = last.write(engine);
    if others.is_empty() {
        return build(engine, last);
    }
    // Not `WithClause::query`, which copies all that is in the clause.
    let mut with = WithQuery::new();
    for (part, number) in others.iter().zip(1..) {
        let mut expression = CommonTableExpression::new();
        expression
            .table_name(Alias::new(format!("part_{number}")))
            .query(part.write(engine));
        with.cte(expression);
    }
    engine.build(with.query(last))
}

/// The driver executes one statement of a text after the other, and each takes its parameters (`?`) where the one before it ends.
fn in_order(engine: DbBackend, others: &[Box<dyn Part + '_>], last: &dyn Part) -> Statement {
    let mut statement = build(engine, last.write(engine));
    if others.is_empty() {
        return statement;
    }
    let (mut text, mut parameters) = (String::new(), Vec::new());
    for part in others {
        let Statement { sql, values, .. } = build(engine, part.write(engine));
        text += &sql;
        text += "; ";
        parameters.extend(values.into_iter().flat_map(|values| values.0));
    }
    text += &statement.sql;
    parameters.extend(statement.values.into_iter().flat_map(|values| values.0));
    statement.sql = text;
    statement.values = Some(Values(parameters));
    statement
}

fn build(engine: DbBackend, statement: SubQueryStatement) -> Statement {
    match statement {
        SubQueryStatement::InsertStatement(insert) => engine.build(&insert),
        SubQueryStatement::UpdateStatement(update) => engine.build(&update),
        SubQueryStatement::DeleteStatement(delete) => engine.build(&delete),
        SubQueryStatement::SelectStatement(select) => engine.build(&select),
        SubQueryStatement::WithStatement(with) => engine.build(&with),
    }
}
