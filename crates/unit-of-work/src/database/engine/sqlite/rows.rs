//! Reads what an operation's conditions for rows are judged by: the tables and views that there are.

use sea_orm::DbErr;
use sqlx::{Executor as _, Row as _, SqliteConnection};

use crate::database::{
    sql::rows::{Schema, VisibleRows},
    statements::query_error,
};

/// A virtual table has no root page, as a view.
const OBJECTS: &str = "\
    SELECT 'main', type = 'view' OR rootpage = 0 OR name LIKE 'sqlite\\_stat%' ESCAPE '\\', name FROM main.sqlite_schema WHERE type IN ('table', 'view') \
    UNION ALL SELECT 'temp', type = 'view' OR rootpage = 0, name FROM temp.sqlite_schema WHERE type IN ('table', 'view')";

/// The rows that the transaction sees by these conditions. It takes the transaction's snapshot, so the schema does not change after it.
///
/// # Errors
/// [`UnitError::RowsRefused`](crate::UnitError::RowsRefused), and those of the database.
pub(super) async fn visible(
    connection: &mut SqliteConnection,
    conditions: &[(String, String)],
) -> Result<VisibleRows, DbErr> {
    let objects = connection.fetch_all(OBJECTS).await.map_err(query_error)?;
    let mut schema = Schema::default();
    for object in objects {
        let read = |error| query_error(error);
        let place: String = object.try_get_unchecked(0).map_err(read)?;
        let is_indirect: bool = object.try_get_unchecked(1).map_err(read)?;
        let name: String = object.try_get_unchecked(2).map_err(read)?;
        if is_indirect {
            schema.indirect.push(name.clone());
        }
        if place == "temp" {
            schema.temporary.push(name);
        } else {
            schema.tables.push(name);
        }
    }
    Ok(VisibleRows::new(conditions, schema)?)
}
