//! Reads what an operation's conditions for rows are judged by: the tables and views that there are.
//!
//! The schema is read once for each connection, and again when SQLite's own number for it has changed. Other connections change it as well;
//! the number is in the file, and is read in each transaction.

use sea_orm::DbErr;
use sqlx::{Executor as _, Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::database::{
    sql::rows::{Schema, VisibleRows, replaces},
    statements::query_error,
};

/// SQLite's numbers for the schema of the file, and of the connection's own tables. Each change of a schema changes its number, and so does
/// a change that is undone. No other databases are attached to a connection.
const VERSIONS: &str = "PRAGMA main.schema_version; PRAGMA temp.schema_version";

/// Where each object is, whether its rows come from elsewhere, its name, and how it was defined.
///
/// A virtual table has no root page, as a view. It keeps its rows in tables that have its name and more: those of `found` are in
/// `found_content`. Modules such as `dbstat` can be read as tables that nobody has made; those for JSON read only what they are given.
const OBJECTS: &str = "\
    SELECT 'main', type = 'view' OR rootpage = 0 OR name LIKE 'sqlite\\_%' ESCAPE '\\' OR EXISTS ( \
        SELECT 1 FROM main.sqlite_schema AS of \
        WHERE of.rootpage = 0 AND of.type = 'table' AND lower(substr(object.name, 1, length(of.name) + 1)) = lower(of.name || '_') \
    ), name, sql FROM main.sqlite_schema AS object WHERE type IN ('table', 'view') \
    UNION ALL SELECT 'temp', type = 'view' OR rootpage = 0, name, NULL FROM temp.sqlite_schema WHERE type IN ('table', 'view') \
    UNION ALL SELECT 'module', 1, name, NULL FROM pragma_module_list WHERE name NOT LIKE 'json%'";

/// The schema that a connection has read last, by SQLite's numbers for it.
#[derive(Debug, Default)]
pub(crate) struct KnownSchema(Option<(Vec<i64>, Schema)>);

impl KnownSchema {
    /// The rows that the transaction sees by these conditions. It takes the transaction's snapshot, so the schema does not change after it.
    ///
    /// # Errors
    /// [`UnitError::RowsRefused`](crate::UnitError::RowsRefused), and those of the database.
    pub(super) async fn visible(
        &mut self,
        connection: &mut SqliteConnection,
        conditions: &[(String, String)],
    ) -> Result<VisibleRows, DbErr> {
        let versions = connection.fetch_all(VERSIONS).await.map_err(query_error)?;
        let versions = versions.iter().map(|row| row.try_get_unchecked(0));
        let versions: Vec<i64> = versions.collect::<Result<_, _>>().map_err(query_error)?;
        if self.0.as_ref().is_none_or(|(of, _)| *of != versions) {
            let objects = connection.fetch_all(OBJECTS).await.map_err(query_error)?;
            self.0 = Some((versions, schema(&objects).map_err(query_error)?));
        }
        match &self.0 {
            Some((_, schema)) => Ok(VisibleRows::new(conditions, schema)?),
            None => unreachable!("it was read"),
        }
    }
}

fn schema(objects: &[SqliteRow]) -> Result<Schema, sqlx::Error> {
    let mut schema = Schema::default();
    let mut modules = Vec::new();
    for object in objects {
        let place: String = object.try_get_unchecked(0)?;
        let is_indirect: bool = object.try_get_unchecked(1)?;
        let name: String = object.try_get_unchecked(2)?;
        let definition: Option<String> = object.try_get_unchecked(3)?;
        if place == "module" {
            modules.push(name);
            continue;
        }
        if is_indirect {
            schema.indirect.push(name.clone());
        }
        if definition.is_some_and(|definition| replaces(&definition)) {
            schema.replacing.push(name.clone());
        }
        if place == "temp" {
            schema.temporary.push(name);
        } else {
            schema.tables.push(name);
        }
    }
    // A table hides the module of its name.
    modules.retain(|module| {
        let mut tables = schema.tables.iter().chain(&schema.temporary);
        !tables.any(|table| table.eq_ignore_ascii_case(module))
    });
    schema.indirect.append(&mut modules);
    Ok(schema)
}
