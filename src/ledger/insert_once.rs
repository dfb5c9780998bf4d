//! Inserts rows unless others are in their way.
//!
//! Not by plain INSERTs: a unique violation would end the transaction.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, InsertMany, IntoActiveModel,
    Iterable as _, ModelTrait, TryInsertResult, Value,
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
    let mut statement = insert.build(DbBackend::MySql);
    let rest = statement.sql.strip_prefix("INSERT ").unwrap_or_default();
    statement.sql = format!("INSERT IGNORE {rest} RETURNING *");
    let inserted = M::find_by_statement(statement).all(db).await?;
    if inserted.len() != rows.len() {
        return Ok(false);
    }
    if inserted
        .iter()
        .zip(rows)
        .all(|(new, row)| is_same(new, row))
    {
        Ok(true)
    } else {
        let table = sea_orm::EntityName::table_name(&M::Entity::default()).to_owned();
        Err(DbErr::Custom(format!(
            "a row of `{table}` is not as it was given: MariaDB has changed a value that does not fit"
        )))
    }
}

/// Whether all values are the same. A document that was cut is refused by its rule.
fn is_same<M: ModelTrait>(one: &M, other: &M) -> bool {
    Column::<M>::iter().all(|column| {
        let value = one.get(column);
        matches!(value, Value::Json(_)) || value == other.get(column)
    })
}
