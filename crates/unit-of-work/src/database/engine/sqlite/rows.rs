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

/// Where each object is, what it is, its name, and how it was defined. A virtual table has no root page.
///
/// Modules such as `dbstat` can be read as tables that nobody has made; those for JSON read only what they are given.
const OBJECTS: &str = "\
    SELECT 'main', CASE WHEN type = 'view' THEN 'view' WHEN rootpage = 0 THEN 'virtual' ELSE 'table' END, name, sql \
    FROM main.sqlite_schema WHERE type IN ('table', 'view') \
    UNION ALL SELECT 'temp', CASE WHEN type = 'view' THEN 'view' WHEN rootpage = 0 THEN 'virtual' ELSE 'table' END, name, NULL \
    FROM temp.sqlite_schema WHERE type IN ('table', 'view') \
    UNION ALL SELECT 'module', 'module', name, NULL FROM pragma_module_list \
    WHERE name NOT IN ('json_each', 'json_tree', 'jsonb_each', 'jsonb_tree')";

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
        let is_known = |(of, _): &(Vec<i64>, _)| *of == versions && versions.len() == 2;
        if !self.0.as_ref().is_some_and(is_known) {
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
    // A virtual table keeps its rows in tables that have its name and more: those of `found` are in `found_content`.
    let (mut keepers, mut modules) = (Vec::new(), Vec::new());
    for object in objects {
        let place: String = object.try_get_unchecked(0)?;
        let kind: String = object.try_get_unchecked(1)?;
        let name: String = object.try_get_unchecked(2)?;
        let definition: Option<String> = object.try_get_unchecked(3)?;
        match kind.as_str() {
            "module" => {
                modules.push(name);
                continue;
            }
            "virtual" => keepers.push(format!("{name}_")),
            _ => {}
        }
        if kind != "table" || begins_with(&name, "sqlite_") {
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
    let tables = || schema.tables.iter().chain(&schema.temporary);
    let is_kept = |name: &&String| keepers.iter().any(|begin| begins_with(name, begin));
    let mut kept: Vec<_> = tables().filter(is_kept).cloned().collect();
    // A table hides the module of its name.
    modules.retain(|module| !tables().any(|table| table.eq_ignore_ascii_case(module)));
    schema.indirect.append(&mut kept);
    schema.indirect.append(&mut modules);
    Ok(schema)
}

fn begins_with(name: &str, begin: &str) -> bool {
    let head = name.as_bytes().get(..begin.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(begin.as_bytes()))
}
