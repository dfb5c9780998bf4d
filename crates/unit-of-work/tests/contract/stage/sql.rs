//! The statements of the resolvers.

use daybook_test_harness::Engine;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use unit_of_work::UnitOfWork;

/// The type of a short text that can be a key.
pub fn text(engine: Engine) -> &'static str {
    match engine {
        Engine::MariaDb => "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        Engine::Sqlite | Engine::Postgres => "TEXT",
    }
}

pub fn statement(unit: &impl ConnectionTrait, sql: &str) -> Statement {
    Statement::from_string(unit.get_database_backend(), sql)
}

pub async fn count_marks(unit: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let row = unit
        .query_one_raw(statement(unit, "SELECT COUNT(*) FROM mark"))
        .await?;
    row.ok_or(DbErr::RecordNotFound("COUNT(*)".to_owned()))?
        .try_get_by_index(0)
}

pub async fn insert_mark(unit: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    unit.execute_raw(statement(
        unit,
        &format!("INSERT INTO mark VALUES ('{name}')"),
    ))
    .await
    .map(drop)
}

pub(super) async fn insert_parent(unit: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let (_, id) = uuid::Uuid::new_v4().as_u64_pair();
    let id = id.cast_signed();
    let insert = format!("INSERT INTO parent VALUES ({id})");
    unit.execute_raw(statement(unit, &insert)).await?;
    Ok(id)
}

pub(super) async fn insert_evidence(unit: &UnitOfWork) -> Result<(), DbErr> {
    let id = insert_parent(unit).await?;
    unit.evidence("parent", id);
    Ok(())
}

/// A statement that ends only when it is made to: by the server, or not within a test.
pub fn slow_sql(unit: &UnitOfWork) -> &'static str {
    match unit.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT COUNT(*) FROM n"
        }
        sea_orm::DbBackend::MySql => "SELECT SLEEP(600)",
        _ => "SELECT pg_sleep(600)",
    }
}

/// A statement that ends only when it is stopped.
pub(super) fn endless_sql(unit: &UnitOfWork) -> &'static str {
    match unit.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
        }
        sea_orm::DbBackend::MySql => "SELECT SLEEP(600)",
        _ => "SELECT pg_sleep(600)",
    }
}

/// A statement that outlasts a turn of the operation.
pub(super) fn brief_sql(unit: &UnitOfWork) -> &'static str {
    match unit.get_database_backend() {
        sea_orm::DbBackend::Sqlite => slow_sql(unit),
        sea_orm::DbBackend::MySql => "SELECT SLEEP(0.2)",
        _ => "SELECT pg_sleep(0.2)",
    }
}
