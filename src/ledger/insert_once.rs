//! Inserts rows unless others are in their way.
//!
//! Not by plain INSERTs: a unique violation would end the transaction.

use super::literal;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityName as _, EntityTrait, FromQueryResult,
    IdenStatic as _, InsertMany, IntoActiveModel, Iterable as _, ModelTrait, Statement,
    TryInsertResult, Value,
};

type Column<M> = <<M as ModelTrait>::Entity as EntityTrait>::Column;
type Active<M> = <<M as ModelTrait>::Entity as EntityTrait>::ActiveModel;

/// Inserts the row. `false` if another row is in its way: one with the same values in `unique`, or with the same values of any unique rule
/// if that is empty. This waits until the transaction has ended that has inserted the other one.
pub(super) async fn insert_once<M>(
    db: &impl ConnectionTrait,
    row: &M,
    unique: &[Column<M>],
) -> Result<bool, DbErr>
where
    M: ModelTrait + IntoActiveModel<Active<M>> + FromQueryResult,
{
    insert_all_once(db, std::slice::from_ref(row), unique).await
}

/// As [`insert_once`], for several rows. `false` if not all were inserted.
pub(super) async fn insert_all_once<M>(
    db: &impl ConnectionTrait,
    rows: &[M],
    unique: &[Column<M>],
) -> Result<bool, DbErr>
where
    M: ModelTrait + IntoActiveModel<Active<M>> + FromQueryResult,
{
    let models = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    let insert = M::Entity::insert_many(models);
    if db.get_database_backend() == DbBackend::MySql {
        return on_mariadb(db, insert, rows).await;
    }
    let on_conflict = OnConflict::columns(unique.iter().copied())
        .do_nothing()
        .to_owned();
    let inserted = insert.on_conflict(on_conflict).try_insert();
    let inserted = inserted.exec_without_returning(db).await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(count) if count == rows.len() as u64))
}

/// MariaDB has IGNORE for this, which also passes over other errors: it cuts what is too long. So the rows that were inserted are returned, and
/// compared. (`ON DUPLICATE KEY UPDATE` would be an update for triggers, and would not tell which of both it was.)
async fn on_mariadb<M>(
    db: &impl ConnectionTrait,
    insert: InsertMany<Active<M>>,
    rows: &[M],
) -> Result<bool, DbErr>
where
    M: ModelTrait + IntoActiveModel<Active<M>> + FromQueryResult,
{
    use sea_orm::QueryTrait as _;
    // With literals: prepared, it returned NULL for an instant at midnight.
    let text = literal::inline(&insert.build(DbBackend::MySql))?;
    let rest = text.strip_prefix("INSERT ").unwrap_or_default();
    let text = format!("INSERT IGNORE {rest} RETURNING *");
    let statement = Statement::from_string(DbBackend::MySql, text);
    let inserted = M::find_by_statement(statement).all(db).await?;
    if inserted.len() != rows.len() {
        return Ok(false);
    }
    let mut pairs = inserted.iter().zip(rows);
    match pairs.find_map(|(new, row)| changed(new, row)) {
        None => Ok(true),
        Some(column) => {
            let table = M::Entity::default().table_name().to_owned();
            let column = column.as_str().to_owned();
            Err(DbErr::Custom(format!(
                "MariaDB has changed `{column}` of a new row of `{table}`: it did not fit"
            )))
        }
    }
}

/// The first column that has another value. A document that was cut is refused by its rule.
fn changed<M: ModelTrait>(new: &M, row: &M) -> Option<Column<M>> {
    Column::<M>::iter().find(|column| {
        let (is, given) = (new.get(*column), row.get(*column));
        !matches!(is, Value::Json(_)) && is != given
    })
}
